/** Every route that the dashboard uses, typed. */
import type { Decimal } from "../decimal";
import { ask } from "./client";
import { Figure } from "./json";
import type { Closing, Current, Detail, Key, Position, Schedule, Status, Sync } from "./types";

export type LevelKind = "stop-loss" | "take-profit";

const position = (id: string) => `/api/positions/${encodeURIComponent(id)}`;

export const readCurrent = () => ask<Current>("GET", "/api/positions/current");
export const readPosition = (id: string) => ask<Detail>("GET", position(id));
export const readSchedule = async () => (await ask<{ status: Schedule }>("GET", "/api/positions/status")).status;
export const readStatus = () => ask<Status>("GET", "/api/status", { anonymous: true });
export const readKeys = async () => (await ask<{ keys: Key[] }>("GET", "/api/user-api-keys")).keys;

/** A level: at a price, at a distance (a fraction) behind the price, or none (null). */
export type Choice = { price: Decimal } | { distance: Decimal } | null;

/** Set a level, which is enforced from then on; refused where the position has changed since `version`. */
export async function setLevel(
  id: string,
  kind: LevelKind,
  choice: Choice,
  version: string | null,
  key: string,
): Promise<Position> {
  const body: Record<string, Figure | null> =
    choice !== null && "distance" in choice
      ? { trailingDistance: new Figure(choice.distance) }
      : { price: choice && new Figure(choice.price) };
  const path = `${position(id)}/${kind}`;
  const whole = version === null ? body : { ...body, expectedVersion: new Figure(version) };
  return (await ask<{ position: Position }>("PATCH", path, { body: whole, key })).position;
}

/** Close a position, or a quantity of it (base units), at market and reduce-only. */
export const closePosition = (id: string, quantity: Decimal | null, key: string) =>
  ask<Closing>("POST", `${position(id)}/close`, {
    body: quantity === null ? {} : { quantity: new Figure(quantity) },
    key,
    slow: true,
  });

export const syncNow = (key: string) => ask<Sync>("POST", "/api/positions/sync", { key, slow: true });

export interface NewKey {
  exchange: string;
  apiKey: string;
  apiSecret: string;
  name: string;
  tradingEnabled: boolean;
}

export async function addKey(body: NewKey, key: string): Promise<Key> {
  return (await ask<{ key: Key }>("POST", "/api/user-api-keys/add", { body: { ...body }, key, slow: true })).key;
}

export const verifyKey = (id: string, key: string) =>
  ask("POST", `/api/user-api-keys/${encodeURIComponent(id)}/verify`, { key, slow: true });

export type KeyChanges = Partial<{ tradingEnabled: boolean; autoManage: boolean; triggerPrice: "mark" | "last" }>;

export const changeKey = (id: string, changes: KeyChanges, key: string) =>
  ask("PATCH", `/api/user-api-keys/${encodeURIComponent(id)}`, { body: { ...changes }, key });

export const removeKey = (id: string, key: string) =>
  ask("DELETE", `/api/user-api-keys/${encodeURIComponent(id)}`, { key });

/** The demo user's token, which only a local stack offers; null elsewhere. */
export async function readDemoToken(): Promise<string | null> {
  try {
    return (await ask<{ token: string }>("GET", "/api/local/demo-token", { anonymous: true })).token;
  } catch {
    return null;
  }
}

let known: Promise<ReadonlySet<string>> | null = null;

/** What this gateway can do, as "GET /path": pages show what is there and leave out what is not. */
export function readFeatures(): Promise<ReadonlySet<string>> {
  known ??= ask<{ paths: Record<string, Record<string, unknown>> }>("GET", "/openapi.json", { anonymous: true })
    .then(({ paths }) => {
      const found = Object.entries(paths).flatMap(([path, methods]) =>
        Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
      );
      return new Set(found) as ReadonlySet<string>;
    })
    .catch(() => {
      known = null;
      return new Set<string>();
    });
  return known;
}
