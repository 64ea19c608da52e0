/** The frame around the pages. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { startLive } from "./live/positions";
import { keepPrices } from "./live/prices";
import { Notices } from "./notices";
import { AdminPage } from "./pages/admin";
import { AlertsPage } from "./pages/alerts";
import { ExecutionPage } from "./pages/execution";
import { ExecutionsPage } from "./pages/executions";
import { KeysPage } from "./pages/keys";
import { OperationsPage } from "./pages/operations";
import { PerformancePage } from "./pages/performance";
import { PortfolioPage } from "./pages/portfolio";
import { PositionPage } from "./pages/position";
import { ReconciliationPage } from "./pages/reconciliation";
import { SettingsPage } from "./pages/settings";
import { SignInPage } from "./pages/sign-in";
import { FeedBadge } from "./parts/feed-badge";
import { Icon, type IconName, Logo } from "./parts/icons";
import { PauseBanner } from "./parts/pause-banner";
import { Empty } from "./parts/states";
import { Link, path } from "./router";
import { type Session, useSession } from "./session";
import { chooseTheme, theme } from "./theme";

interface Page {
  to: string;
  name: string;
  icon: IconName;
  /** On a phone it is found under More. */
  rest?: boolean;
  role?: string;
}

const PAGES: Page[] = [
  { to: "/", name: "Operations", icon: "operations" },
  { to: "/performance", name: "Performance", icon: "performance" },
  { to: "/portfolio", name: "Portfolio", icon: "portfolio" },
  { to: "/alerts", name: "Alerts", icon: "alerts" },
  { to: "/executions", name: "Executions", icon: "flows", rest: true },
  { to: "/keys", name: "Keys", icon: "keys", rest: true },
  { to: "/settings", name: "Settings", icon: "settings", rest: true },
  { to: "/admin", name: "Admin", icon: "admin", rest: true, role: "admin" },
];

/** Whether a page, or one below it, is the one that is shown. */
const under = (to: string, at: string) => at === to || (to !== "/" && at.startsWith(`${to}/`));

function page(at: string, session: Session): ComponentChildren {
  const position = /^\/positions\/([^/]+)$/.exec(at)?.[1];
  if (position) return <PositionPage key={position} id={decodeURIComponent(position)} />;
  const execution = /^\/executions\/([^/]+)$/.exec(at)?.[1];
  if (execution) return <ExecutionPage key={execution} id={decodeURIComponent(execution)} />;
  switch (at) {
    case "/":
      return <OperationsPage />;
    case "/performance":
      return <PerformancePage />;
    case "/portfolio":
      return <PortfolioPage />;
    case "/alerts":
      return <AlertsPage />;
    case "/executions":
      return <ExecutionsPage />;
    case "/admin":
      return <AdminPage session={session} />;
    case "/admin/reconciliation":
      return <ReconciliationPage session={session} />;
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
  const pages = PAGES.filter((one) => !one.role || one.role === session.role);

  useEffect(startLive, []);
  useEffect(() => {
    window.addEventListener("pagehide", keepPrices);
    return () => window.removeEventListener("pagehide", keepPrices);
  }, []);

  useEffect(() => {
    const part = at.startsWith("/positions/") ? "Position" : at.startsWith("/executions/") ? "Execution" : null;
    const name = part ?? PAGES.find((one) => under(one.to, at))?.name ?? "Tandem";
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
          {pages.map((one) => (
            <Link key={one.to} to={one.to} current={under(one.to, at)} class={one.rest ? "rest" : undefined}>
              <Icon name={one.icon} />
              <span>{one.name}</span>
            </Link>
          ))}
          <More key={at} at={at} pages={pages.filter((one) => one.rest)} />
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
        <PauseBanner />
        {page(at, session)}
      </main>
    </div>
  );
}

/** What a phone's bar has no room for. Another page closes it. */
function More({ at, pages }: { at: string; pages: readonly Page[] }) {
  const [open, setOpen] = useState(false);
  const here = pages.some((one) => under(one.to, at));
  return (
    <div class="more">
      <button
        type="button"
        class="plain"
        aria-expanded={open}
        aria-current={here ? "page" : undefined}
        onClick={() => setOpen(!open)}
        onKeyDown={(event) => event.key === "Escape" && setOpen(false)}
      >
        <Icon name="more" />
        <span>More</span>
      </button>
      {open && (
        <div class="sheet">
          {pages.map((one) => (
            <Link key={one.to} to={one.to} current={under(one.to, at)}>
              <Icon name={one.icon} />
              <span>{one.name}</span>
            </Link>
          ))}
        </div>
      )}
    </div>
  );
}
