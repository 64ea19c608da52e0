/** The timeline of a position, where the gateway has one. */
import { ApiError, ask } from "./client";
import type { Level } from "./types";

/** A change: who made it, on what evidence and why, and the levels as they were after it. */
export interface Moment {
  timestamp: string | null;
  version: string;
  actor: string;
  change: string;
  evidence: string;
  reason: string | null;
  stopLoss: Level;
  takeProfit: Level;
}

/** What happened to a position; null where this gateway does not tell. */
export async function readTimeline(id: string): Promise<Moment[] | null> {
  try {
    const path = `/api/positions/${encodeURIComponent(id)}/timeline?limit=200`;
    return (await ask<{ entries: Moment[] }>("GET", path)).entries;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null;
    throw error;
  }
}
