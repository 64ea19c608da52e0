/** What reconciliation did, for administrators: its runs, what they found on what evidence, and an operator's word. */
import type { Overview } from "./admin";
import { ask } from "./client";
import type { Run, Sync } from "./types";

/** A finished run of an account. */
export interface FinishedRun extends Run {
  runId: string;
  userId: string | null;
  trigger: string | null;
  startedAt: string | null;
  finishedAt: string | null;
}

/** Where the books and a venue differed, and what was decided upon it; `known`: an earlier run had found it already. */
export interface Discrepancy {
  runId: string;
  userId: string;
  accountId: string;
  exchange: string;
  foundAt: string | null;
  kind: string;
  symbol: string;
  positionSide: string;
  positionId: string | null;
  evidence: string;
  repaired: boolean;
  known: boolean;
  decisions: string[];
}

/** Whose, and of which account; empty: all. */
export interface Scope {
  user: string;
  account: string;
}

export interface Page<T> {
  rows: T[];
  nextCursor: string | null;
}

const PAGE = 50;
const MOST = 200;

function queryOf(scope: Scope, limit: number, cursor: string | null): URLSearchParams {
  const query = new URLSearchParams({ limit: String(limit) });
  if (scope.user.trim()) query.set("user", scope.user.trim());
  if (scope.account.trim()) query.set("account", scope.account.trim());
  if (cursor) query.set("cursor", cursor);
  return query;
}

export const readOverview = async () =>
  (await ask<{ reconciliation: Overview }>("GET", "/api/admin/reconciliation")).reconciliation;

export async function readRuns(scope: Scope, cursor: string | null, limit = PAGE): Promise<Page<FinishedRun>> {
  const path = `/api/admin/reconciliation/runs?${queryOf(scope, limit, cursor)}`;
  const page = await ask<{ runs: FinishedRun[]; nextCursor: string | null }>("GET", path);
  return { rows: page.runs, nextCursor: page.nextCursor };
}

export async function readDiscrepancies(scope: Scope, cursor: string | null, limit = PAGE): Promise<Page<Discrepancy>> {
  const path = `/api/admin/reconciliation/discrepancies?${queryOf(scope, limit, cursor)}`;
  const page = await ask<{ discrepancies: Discrepancy[]; nextCursor: string | null }>("GET", path);
  return { rows: page.discrepancies, nextCursor: page.nextCursor };
}

/** What became of one account of late, as far as one page tells. */
export async function readAccount(account: string): Promise<{ runs: FinishedRun[]; found: Discrepancy[] }> {
  const scope = { user: "", account };
  const [runs, found] = await Promise.all([readRuns(scope, null, MOST), readDiscrepancies(scope, null, MOST)]);
  return { runs: runs.rows, found: found.rows };
}

export const reconcileAccount = (accountId: string, key: string) =>
  ask<Sync>("POST", "/api/admin/reconcile", { body: { accountId }, key, slow: true });

/** State that positions which a venue no longer lists are really gone: one, or (null) all that the account misses. */
export const confirmAbsence = async (accountId: string, positionId: string | null, note: string, key: string) =>
  (
    await ask<{ positionIds: string[] }>("POST", "/api/admin/reconciliation/confirm-absence", {
      body: positionId === null ? { accountId, note } : { accountId, positionId, note },
      key,
    })
  ).positionIds;

const ABSENCES = new Set(["absent", "symbol_changed", "side_flipped"]);

export const isMissing = (one: Discrepancy): boolean =>
  !one.repaired && one.positionId !== null && one.decisions.length === 0 && ABSENCES.has(one.kind);

/**
 * The rows of an account that its venue did not list when it was read last: what the newest run found that missed any,
 * unless a later run was in step. Both lists are one account's, the latest first.
 */
export function missingOf(runs: readonly FinishedRun[], found: readonly Discrepancy[]): Discrepancy[] {
  const newest = found.find(isMissing);
  if (!newest) return [];
  for (const run of runs) {
    if (run.runId === newest.runId) break;
    if (run.result === "in_step") return [];
  }
  return found.filter((one) => one.runId === newest.runId && isMissing(one));
}
