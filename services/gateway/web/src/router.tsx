/** Pages by path, without a library: links that do not reload, and the way back. */
import type { ComponentChildren } from "preact";
import { Store } from "./store";

export const path = new Store(location.pathname);

window.addEventListener("popstate", () => path.set(location.pathname));

export function navigate(to: string): void {
  if (to === path.get()) return;
  history.pushState(null, "", to);
  path.set(to);
  window.scrollTo(0, 0);
}

interface LinkProps {
  to: string;
  class?: string | undefined;
  current?: boolean;
  label?: string;
  children: ComponentChildren;
}

export function Link({ to, current, label, children, ...rest }: LinkProps) {
  const follow = (event: MouseEvent) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    navigate(to);
  };
  return (
    <a href={to} onClick={follow} aria-current={current ? "page" : undefined} aria-label={label} {...rest}>
      {children}
    </a>
  );
}
