/** The frame around the pages. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { startLive } from "./live/positions";
import { keepPrices } from "./live/prices";
import { Notices } from "./notices";
import { KeysPage } from "./pages/keys";
import { OperationsPage } from "./pages/operations";
import { PerformancePage } from "./pages/performance";
import { PortfolioPage } from "./pages/portfolio";
import { PositionPage } from "./pages/position";
import { SettingsPage } from "./pages/settings";
import { SignInPage } from "./pages/sign-in";
import { FeedBadge } from "./parts/feed-badge";
import { Icon, type IconName, Logo } from "./parts/icons";
import { Empty } from "./parts/states";
import { Link, path } from "./router";
import { type Session, useSession } from "./session";
import { chooseTheme, theme } from "./theme";

const PAGES: { to: string; name: string; icon: IconName }[] = [
  { to: "/", name: "Operations", icon: "operations" },
  { to: "/performance", name: "Performance", icon: "performance" },
  { to: "/portfolio", name: "Portfolio", icon: "portfolio" },
  { to: "/keys", name: "Keys", icon: "keys" },
  { to: "/settings", name: "Settings", icon: "settings" },
];

function page(at: string, session: Session): ComponentChildren {
  const position = /^\/positions\/([^/]+)$/.exec(at)?.[1];
  if (position) return <PositionPage key={position} id={decodeURIComponent(position)} />;
  switch (at) {
    case "/":
      return <OperationsPage />;
    case "/performance":
      return <PerformancePage />;
    case "/portfolio":
      return <PortfolioPage />;
    case "/keys":
      return <KeysPage />;
    case "/settings":
      return <SettingsPage session={session} />;
    default:
      return (
        <Empty icon="operations" title="There is no such page">
          <p>
            <Link to="/">See what is open</Link>
          </p>
        </Empty>
      );
  }
}

export function App() {
  const session = useSession();
  return (
    <>
      {session ? <Frame key={session.userId} session={session} /> : <SignInPage />}
      <Notices />
    </>
  );
}

function Frame({ session }: { session: Session }) {
  const at = path.use();
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);
  const shade = theme.use();

  useEffect(startLive, []);
  useEffect(() => {
    window.addEventListener("pagehide", keepPrices);
    return () => window.removeEventListener("pagehide", keepPrices);
  }, []);

  useEffect(() => {
    const name = PAGES.find((one) => one.to === at)?.name ?? (at.startsWith("/positions/") ? "Position" : "Tandem");
    document.title = `${name} · Tandem`;
    // A new page begins at its beginning, for a screen reader too.
    if (first.current) first.current = false;
    else main.current?.focus();
  }, [at]);

  return (
    <div class="frame">
      <a class="skip" href="#main">
        Skip to the page
      </a>
      <header class="top">
        <Link to="/" class="brand" label="Tandem, to Operations">
          <Logo /> <span>Tandem</span>
        </Link>
        <nav class="pages" aria-label="Pages">
          {PAGES.map((one) => (
            <Link key={one.to} to={one.to} current={one.to === at}>
              <Icon name={one.icon} />
              <span>{one.name}</span>
            </Link>
          ))}
        </nav>
        <div class="top-end">
          <FeedBadge />
          <span class="muted who" title={`Signed in as ${session.userId}`}>
            {session.userId}
          </span>
          <button
            type="button"
            class="plain"
            onClick={() => chooseTheme(shade === "dark" ? "light" : "dark")}
            aria-label={shade === "dark" ? "Switch to light" : "Switch to dark"}
          >
            <Icon name={shade === "dark" ? "sun" : "moon"} />
          </button>
        </div>
      </header>
      <main id="main" ref={main} tabIndex={-1}>
        {page(at, session)}
      </main>
    </div>
  );
}
