/** What a page shows when there is nothing, when it waits, and when something is wrong: always with what to do. */
import type { ComponentChildren } from "preact";
import { ApiError } from "../api/client";
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

const ADVICE: Record<string, string> = {
  SERVICE_UNAVAILABLE: "It comes back by itself: this page tries again.",
  POSITION_NOT_FOUND: "It may belong to another user, or its address is mistyped.",
};

export function Failure({ error, retry }: { error: unknown; retry?: (() => void) | undefined }) {
  const known = error instanceof ApiError;
  const message = known ? error.message : String(error);
  const advice = known ? ADVICE[error.code] : undefined;
  return (
    <div class="banner bad" role="alert">
      <Icon name="warning" />
      <p>{[message, advice].filter(Boolean).join(" ")}</p>
      {retry && (
        <button type="button" class="small" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  );
}
