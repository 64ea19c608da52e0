/** What a page shows when there is nothing, when it waits, and when something is wrong: always with what to do. */
import type { ComponentChildren } from "preact";
import { ApiError } from "../api/client";
import type { Pages } from "../load";
import { Link } from "../router";
import { Icon, type IconName } from "./icons";

export function NoKeyYet() {
  return (
    <Empty icon="keys" title="No exchange yet">
      <p>
        Add a key of your exchange, and your positions appear here within seconds. Reading is all that it needs to begin
        with.
      </p>
      <Link to="/keys" class="button">
        Add a key
      </Link>
    </Empty>
  );
}

interface EmptyProps {
  icon: IconName;
  title: string;
  children?: ComponentChildren;
}

export function Empty({ icon, title, children }: EmptyProps) {
  return (
    <div class="state">
      <Icon name={icon} size={34} />
      <h2>{title}</h2>
      {children}
    </div>
  );
}

export function Loading({ rows = 3, what }: { rows?: number; what: string }) {
  return (
    <div class="loading" role="status">
      <span class="hidden">Loading {what}</span>
      {Array.from({ length: rows }, (_, row) => (
        <div key={row} class="skeleton" />
      ))}
    </div>
  );
}

/** The button that reads what follows, where something does. */
export function More({ pages }: { pages: Pages<unknown> }) {
  if (!pages.more) return null;
  return (
    <p class="center pad">
      <button type="button" class="small" disabled={pages.loading} onClick={pages.readMore}>
        {pages.loading ? "Reading…" : "Read older ones"}
      </button>
    </p>
  );
}

const ADVICE: Record<string, string> = {
  SERVICE_UNAVAILABLE: "What works without it goes on. It comes back by itself; try again in a moment.",
  INTERNAL: "This part does not work just now; the rest of the page does. Settings shows which services run.",
  HTTP_404: "This gateway is older than the dashboard and does not have it.",
  FORBIDDEN: "It needs the role of an administrator.",
  POSITION_NOT_FOUND: "It may belong to another user, or its address is mistyped.",
};

const sentence = (text: string) => (/[.!?]$/.test(text) ? text : `${text}.`);

export function Failure({ error, retry }: { error: unknown; retry?: (() => void) | undefined }) {
  const known = error instanceof ApiError;
  const message = known ? error.message : String(error);
  const advice = known ? ADVICE[error.code] : undefined;
  // What only helps an operator comes last, and small.
  const internal = known && error.code === "INTERNAL";
  return (
    <div class="banner bad failure" role="alert">
      <Icon name="warning" />
      <p>
        {internal ? advice : [sentence(message), advice].filter(Boolean).join(" ")}
        {internal && <small class="muted"> {sentence(message)}</small>}
      </p>
      {retry && (
        <button type="button" class="small" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  );
}
