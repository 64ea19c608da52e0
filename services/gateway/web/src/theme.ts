/** Dark and light: by the system's preference, or as chosen. theme.js does the same before the first paint. */
import { Store } from "./store";

export type Choice = "system" | "dark" | "light";
export type Theme = "dark" | "light";

const NAME = "tandem.theme";
const light = matchMedia("(prefers-color-scheme: light)");

function kept(): Choice {
  try {
    const found = localStorage.getItem(NAME);
    return found === "dark" || found === "light" ? found : "system";
  } catch {
    return "system";
  }
}

const resolve = (choice: Choice): Theme => (choice === "system" ? (light.matches ? "light" : "dark") : choice);

export const themeChoice = new Store<Choice>(kept());
export const theme = new Store<Theme>(resolve(themeChoice.get()));

function apply(): void {
  const now = resolve(themeChoice.get());
  document.documentElement.dataset.theme = now;
  document.querySelector('meta[name="theme-color"]')?.setAttribute("content", now === "dark" ? "#0b0f14" : "#f4f6f9");
  theme.set(now);
}

export function chooseTheme(choice: Choice): void {
  themeChoice.set(choice);
  try {
    if (choice === "system") localStorage.removeItem(NAME);
    else localStorage.setItem(NAME, choice);
  } catch {
    // Storage is closed: the choice lasts as long as the page.
  }
  apply();
}

light.addEventListener("change", apply);
apply();
