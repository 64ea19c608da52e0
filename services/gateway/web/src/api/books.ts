/** Positions in the books: all that are open, their transactions, and whether Tandem enforces their levels. */
import type { Decimal } from "../decimal";
import { ask } from "./client";
import { Figure, type Value } from "./json";
import type { Level, Position } from "./types";

export interface Transaction {
  id: string;
  positionId: string;
  orderSide: "buy" | "sell";
  orderId: string;
  quantity: Decimal | null;
  price: Decimal | null;
  fee: Decimal | null;
  feeCurrency: string | null;
  pnl: Decimal | null;
  reason: string;
  status: string;
  executedAt: string | null;
}

const MOST = 200;

/** What is open in the books: as many as one page holds. */
export const readOpen = async () =>
  (await ask<{ positions: Position[] }>("GET", `/api/positions?status=open&limit=${MOST}`)).positions;

/** Open a position at market by hand. Its order is sent once: where nobody knows what became of it, this is refused. */
export const openPosition = async (body: Value, key: string) =>
  (await ask<{ position: Position }>("POST", "/api/positions", { body, key, slow: true })).position;

export async function readTransactions(id: string): Promise<Transaction[]> {
  const path = `/api/transactions?position=${encodeURIComponent(id)}&limit=${MOST}`;
  return (await ask<{ transactions: Transaction[] }>("GET", path)).transactions;
}

/** A level as a body states it: as it is now. */
function stated(level: Level): Record<string, Figure | null> {
  if (level.rule === "pinned" && level.price !== null) return { price: new Figure(level.price) };
  if (level.rule === "trailing" && level.distance !== null) return { trailingDistance: new Figure(level.distance) };
  return { price: null };
}

/** What `managePosition` asks for: both levels as they are shown. Left out, they would be replaced by the defaults. */
export const careOf = (position: Position) => ({
  stopLoss: stated(position.stopLoss),
  takeProfit: stated(position.takeProfit),
  expectedVersion: new Figure(position.version),
});

const care = async (id: string, what: "manage" | "release", body: Value, key: string) => {
  const path = `/api/positions/${encodeURIComponent(id)}/${what}`;
  return (await ask<{ position: Position }>("POST", path, { body, key })).position;
};

/** Take a position into Tandem's care: both levels are enforced as they are. */
export const managePosition = (position: Position, key: string) => care(position.id, "manage", careOf(position), key);

/** Give it back: nothing of it is enforced any more. */
export const releasePosition = (position: Position, key: string) =>
  care(position.id, "release", { expectedVersion: new Figure(position.version) }, key);
