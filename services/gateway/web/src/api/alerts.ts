/** Alerts: what a user wants to be told of, what has been told, and where it is posted to. */
import type { Decimal } from "../decimal";
import { ask } from "./client";
import type { Value } from "./json";

export const ALERT_KINDS = [
  "price_target",
  "profit_amount",
  "profit_percent",
  "stop_moved",
  "position_closed",
  "liquidation_near",
  "feed_stale",
  "reconciliation_suspicious",
] as const;
export type AlertKind = (typeof ALERT_KINDS)[number];
export type Direction = "above" | "below";

export interface Alert {
  id: string;
  kind: AlertKind;
  exchange: string | null;
  symbol: string | null;
  positionId: string | null;
  direction: Direction | null;
  threshold: Decimal | null;
  repeating: boolean;
  hysteresis: Decimal | null;
  webhook: boolean;
  /** It may fire. One that has fired and does not repeat may not. */
  active: boolean;
  note: string | null;
  createdAt: string | null;
  lastTriggeredAt: string | null;
  timesTriggered: string;
  version: string;
}

/** Something that was told; `alertId` is null where Tandem told it unasked. */
export interface Triggered {
  id: string;
  timestamp: string | null;
  kind: string;
  alertId: string | null;
  note: string | null;
  accountId: string | null;
  positionId: string | null;
  exchange: string | null;
  symbol: string | null;
  price: Decimal | null;
  levelPrice: Decimal | null;
  reason: string;
}

export interface Delivery {
  eventId: string;
  state: "pending" | "delivered" | "failed";
  attempts: string;
  lastAttemptAt: string | null;
  result: string | null;
}

export interface Webhook {
  url: string;
  createdAt: string | null;
  deliveries: Delivery[];
}

export interface Page<T> {
  rows: T[];
  nextCursor: string | null;
}

const one = (id: string) => `/api/alerts/${encodeURIComponent(id)}`;
const after = (cursor: string | null) => (cursor ? `&cursor=${encodeURIComponent(cursor)}` : "");

export async function readAlerts(cursor: string | null = null): Promise<Page<Alert>> {
  const page = await ask<{ alerts: Alert[]; nextCursor: string | null }>(
    "GET",
    `/api/alerts?limit=100${after(cursor)}`,
  );
  return { rows: page.alerts, nextCursor: page.nextCursor };
}

export async function readTriggered(cursor: string | null = null): Promise<Page<Triggered>> {
  const path = `/api/alerts/triggered?limit=50${after(cursor)}`;
  const page = await ask<{ triggered: Triggered[]; nextCursor: string | null }>("GET", path);
  return { rows: page.triggered, nextCursor: page.nextCursor };
}

export type AlertFields = Record<string, Value>;

export const createAlert = (body: AlertFields, key: string) =>
  ask<{ alert: Alert }>("POST", "/api/alerts", { body, key });

export const changeAlert = (id: string, changes: AlertFields, key: string) =>
  ask<{ alert: Alert }>("PATCH", one(id), { body: changes, key });

export const removeAlert = (id: string, key: string) => ask("DELETE", one(id), { key });

export const readWebhook = async () => (await ask<{ webhook: Webhook | null }>("GET", "/api/alerts/webhook")).webhook;

/** Set where alerts are posted to; the secret in the answer is shown this once. */
export const setWebhook = (url: string, key: string) =>
  ask<{ webhook: Webhook; secret: string }>("PUT", "/api/alerts/webhook", { body: { url }, key });

export const removeWebhook = (key: string) => ask("DELETE", "/api/alerts/webhook", { key });
