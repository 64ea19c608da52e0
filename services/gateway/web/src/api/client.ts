/** The one place that talks to the REST door: token, errors, idempotency, exact figures. */
import { currentToken, dropSession } from "../session";
import { parseExact, type Value, writeExact } from "./json";

/** A refusal, or no answer at all (status 0). `message` is meant for people. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    /** What of the request is to blame, where one thing is. */
    readonly field: string | null = null,
  ) {
    super(message);
  }

  /** The gateway, or something behind it, cannot be reached just now: trying again makes sense. */
  get passing(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 502;
  }

  /** Whether a write may have taken effect although this is all that was heard of it. */
  get unsure(): boolean {
    return this.passing || this.status >= 500 || this.code === "IDEMPOTENCY_KEY_IN_USE";
  }
}

const TIMEOUT_MILLISECONDS = 15_000;
const SLOW_MILLISECONDS = 75_000;

interface Options {
  body?: Value;
  key?: string;
  slow?: boolean;
  anonymous?: boolean;
}

async function send(method: string, path: string, options: Options): Promise<Response> {
  const headers: Record<string, string> = {};
  const token = currentToken();
  if (token && !options.anonymous) headers.Authorization = `Bearer ${token}`;
  if (options.key) headers["Idempotency-Key"] = options.key;
  if (options.body !== undefined) headers["Content-Type"] = "application/json";
  const init: RequestInit = {
    method,
    headers,
    cache: "no-store",
    signal: AbortSignal.timeout(options.slow ? SLOW_MILLISECONDS : TIMEOUT_MILLISECONDS),
  };
  if (options.body !== undefined) init.body = writeExact(options.body);
  try {
    return await fetch(path, init);
  } catch {
    throw new ApiError(0, "UNREACHABLE", "The gateway cannot be reached. Is `make run` still running?");
  }
}

/** Ask and read the answer. Raises ApiError; a token that counts no more ends the session. */
export async function ask<T>(method: string, path: string, options: Options = {}): Promise<T> {
  const response = await send(method, path, options);
  let answer: unknown;
  try {
    answer = parseExact(await response.text());
  } catch {
    throw new ApiError(response.ok ? 0 : response.status, "NOT_JSON", "The gateway's answer could not be read.");
  }
  if (response.ok) return answer as T;
  throw refusal(response.status, answer, options);
}

/** Fetch a file with the token and hand it to the browser to keep. Raises ApiError. */
export async function download(path: string, name: string): Promise<void> {
  const response = await send("GET", path, { slow: true });
  if (!response.ok) {
    let answer: unknown = null;
    try {
      answer = parseExact(await response.text());
    } catch {
      // Not ours to explain: the status says enough.
    }
    throw refusal(response.status, answer, {});
  }
  const url = URL.createObjectURL(await response.blob());
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

function refusal(status: number, answer: unknown, options: Options): ApiError {
  const { error, code, field } = (answer ?? {}) as { error?: string; code?: string; field?: string };
  if (status === 401 && !options.anonymous) dropSession(error ?? "Sign in again.");
  return new ApiError(status, code ?? `HTTP_${status}`, error ?? `The gateway answered ${status}.`, field ?? null);
}

/** A key under which a write is done once, however often it is sent. `randomUUID` needs a secure origin; this does not. */
export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
