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

const MOST_PAGES = 10;

/** What happened to a position, the first change first; null where this gateway does not tell. */
export async function readTimeline(id: string): Promise<Moment[] | null> {
  try {
    const path = `/api/positions/${encodeURIComponent(id)}/timeline?limit=200`;
    const all: Moment[] = [];
    let cursor: string | null = null;
    // The first change comes first, so the latest ones are on the last page.
    for (let page = 0; page < MOST_PAGES; page += 1) {
      const after: string = cursor === null ? "" : `&cursor=${encodeURIComponent(cursor)}`;
      const read = await ask<{ entries: Moment[]; nextCursor: string | null }>("GET", `${path}${after}`);
      all.push(...read.entries);
      cursor = read.nextCursor ?? null;
      if (cursor === null) break;
    }
    return all;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null;
    throw error;
  }
}
