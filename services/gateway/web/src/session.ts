/** Who is signed in: a token in memory and in this tab's storage, and what it says of its owner. */
import { useSyncExternalStore } from "./store";

export interface Session {
  token: string;
  userId: string;
  role: string;
  /** Milliseconds since 1970. */
  expiresAt: number;
}

const NAME = "tandem.token";
let session: Session | null = restore();
let farewell: string | null = null;
const listeners = new Set<() => void>();

/** What a token says, without checking its signature, which is the gateway's to do. Null where it is no token. */
export function readToken(text: string): Session | null {
  const token = text.trim();
  const payload = token.split(".")[1];
  if (!payload || token.split(".").length !== 3) return null;
  try {
    const bytes = Uint8Array.from(atob(payload.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
    const claims = JSON.parse(new TextDecoder().decode(bytes)) as { sub?: unknown; role?: unknown; exp?: unknown };
    if (typeof claims.sub !== "string" || typeof claims.exp !== "number") return null;
    return { token, userId: claims.sub, role: String(claims.role ?? "user"), expiresAt: claims.exp * 1000 };
  } catch {
    return null;
  }
}

function restore(): Session | null {
  try {
    const kept = sessionStorage.getItem(NAME);
    const found = kept ? readToken(kept) : null;
    return found && found.expiresAt > Date.now() ? found : null;
  } catch {
    return null;
  }
}

export const currentToken = (): string | null => session?.token ?? null;
export const lastFarewell = (): string | null => farewell;

export function signIn(next: Session): void {
  session = next;
  farewell = null;
  try {
    sessionStorage.setItem(NAME, next.token);
  } catch {
    // Storage is closed: the session lasts as long as the page.
  }
  for (const listener of listeners) listener();
}

/** End the session; `reason` is shown where one signs in. */
export function dropSession(reason: string | null = null): void {
  if (!session) return;
  session = null;
  farewell = reason;
  try {
    sessionStorage.removeItem(NAME);
  } catch {
    // Storage is closed: there was nothing in it.
  }
  for (const listener of listeners) listener();
}

export function useSession(): Session | null {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => session,
  );
}
