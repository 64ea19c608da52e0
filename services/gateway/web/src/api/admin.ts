/** For administrators: the state of everything, reconciliation of any user, plans, and who did what. */
import type { Decimal } from "../decimal";
import { ask } from "./client";
import { Figure } from "./json";
import type { AccountSchedule, Sync } from "./types";

export interface Part {
  status: string;
  parts: Record<string, string>;
}

export interface Overview {
  isRunning: boolean;
  interval: string;
  accounts: string;
  overdue: string;
  lag: string;
  failing: string;
  pendingAbsences: string;
  suspicious: string;
  estimatedExits: string;
  runs: Record<string, string>;
  replicas: Record<string, string>;
  discrepanciesFound: string;
  discrepanciesRepaired: string;
  attention: AccountSchedule[];
}

export interface VenueStanding {
  service: string;
  replica: string | null;
  exchange: string;
  answering: boolean;
  budget: { limit: string; used: string; unit: string; share: string } | null;
  bannedUntil: string | null;
  banReason: string | null;
  feed: { up: boolean; polling: boolean; priceAgeSeconds: string | null; symbols: string } | null;
}

export interface AdminStatus {
  status: string;
  services: Record<string, Part>;
  gateway: { sockets: string; users: string; busConnected: boolean; lag: string | null; parts: Record<string, string> };
  venues: VenueStanding[];
  reconciliation: Overview | null;
  timestamp: string;
}

export interface AuditEntry {
  timestamp: string;
  userId: string;
  role: string;
  action: string;
  target: string | null;
  details: Record<string, string | boolean | null>;
  requestId: string;
  status: string | null;
  code: string | null;
}

export interface AuditPage {
  entries: AuditEntry[];
  nextCursor: string | null;
}

export const readAdminStatus = () => ask<AdminStatus>("GET", "/api/admin/status");

export const reconcileUser = (userId: string, key: string) =>
  ask<Sync>("POST", "/api/admin/reconcile", { body: { userId }, key, slow: true });

export function readAudit(user: string, cursor: string | null): Promise<AuditPage> {
  const query = new URLSearchParams({ limit: "50" });
  if (user) query.set("user", user);
  if (cursor) query.set("cursor", cursor);
  return ask("GET", `/api/admin/audit?${query}`);
}

export const setPlan = (userId: string, name: string, commissionPercent: Decimal, key: string) =>
  ask("PUT", `/api/admin/users/${encodeURIComponent(userId)}/plan`, {
    body: { name, commissionPercent: new Figure(commissionPercent) },
    key,
  });
