/** How pushes change what is shown: pure, so that it can be tested without a browser. */
import type { Mark, Position, Row } from "../api/types";

/** A row, and its position as it closed, if it has: a closed one stays until it was noticed. */
export interface Shown {
  key: string;
  row: Row;
  closed: Position | null;
  /** When its last mark came, in milliseconds; 0 where none has. */
  markedAt: number;
}

/** A reading may come from a cache of so many milliseconds: a mark that is younger knows better. */
export const READING_AGE_MILLISECONDS = 5_000;

export function rowKey(row: Pick<Row, "id" | "exchange" | "pair" | "type">): string {
  return row.id ?? `${row.exchange}:${row.pair}:${row.type}`;
}

/** A row of a reading, with the price of a younger mark: no figure ever goes back to an older one. */
function renew(row: Row, before: Shown | undefined, now: number): Shown {
  const fresh: Shown = { key: rowKey(row), row, closed: null, markedAt: before?.markedAt ?? 0 };
  if (!before || now - before.markedAt >= READING_AGE_MILLISECONDS) return fresh;
  const marked = before.row;
  // Of another size it is worth something else; the next mark tells.
  if (marked.quantity !== row.quantity || marked.entryPrice !== row.entryPrice) return fresh;
  const { currentPrice, pnl, pnlPercent } = marked;
  const same = marked.stopLossEnforced === row.stopLossEnforced;
  const stopLoss = same && row.stopLoss !== null ? marked.stopLoss : row.stopLoss;
  return { ...fresh, row: { ...row, currentPrice, pnl, pnlPercent, stopLoss } };
}

export const noneOpen = (shown: readonly Shown[]): boolean => shown.every((one) => one.closed !== null);

/** Whether each open position of the books has had a mark: one that has none has to be asked for. */
export function allMarked(shown: readonly Shown[]): boolean {
  return shown.every((one) => one.closed !== null || one.row.id === null || one.markedAt > 0);
}

/** The rows of a fresh reading. What closed while one watched stays in its place; what reopened is shown anew. */
export function mergeReading(shown: readonly Shown[], rows: readonly Row[], now = Date.now()): Shown[] {
  const known = new Map(shown.map((one) => [one.key, one]));
  const fresh = rows.map((row) => renew(row, known.get(rowKey(row)), now));
  const present = new Set(fresh.map((one) => one.key));
  const merged: Shown[] = [...fresh];
  shown.forEach((one, place) => {
    if (one.closed && !present.has(one.key)) merged.splice(Math.min(place, merged.length), 0, one);
  });
  // A reading that was asked for before the close may still hold the row: what the books said stands.
  const closed = new Map(shown.filter((one) => one.closed).map((one) => [one.key, one]));
  return merged.map((one) => closed.get(one.key) ?? one);
}

/** The rows with a mark merged in; the same array where it is about none of them. */
export function mergeMark(shown: readonly Shown[], mark: Mark, now = Date.now()): readonly Shown[] {
  const id = mark.id ?? mark.positionId;
  const place = shown.findIndex((one) => one.row.id === id && one.closed === null);
  const found = shown[place];
  if (!id || !found) return shown;
  const row: Row = {
    ...found.row,
    currentPrice: mark.currentPrice ?? found.row.currentPrice,
    pnl: mark.pnl ?? found.row.pnl,
    pnlPercent: mark.pnlPercent ?? found.row.pnlPercent,
    stopLoss: mark.stopLoss ?? found.row.stopLoss,
    takeProfit: mark.takeProfit ?? found.row.takeProfit,
    guarded: mark.guarded ?? found.row.guarded,
    inSync: mark.inSync ?? found.row.inSync,
  };
  return shown.with(place, { ...found, row, markedAt: now });
}

/** The rows after a position closed; it is shown as closed also where a reading has dropped its row already. */
export function mergeClose(shown: readonly Shown[], position: Position): readonly Shown[] {
  const place = shown.findIndex((one) => one.row.id === position.id);
  const found = shown[place];
  if (found) return shown.with(place, { ...found, closed: position });
  return [...shown, { key: position.id, row: lastRow(position), closed: position, markedAt: 0 }];
}

/** A position that is not open any more, as a row. */
function lastRow(position: Position): Row {
  return {
    id: position.id,
    pair: position.symbol,
    type: position.side === "long" ? "LONG" : "SHORT",
    entryPrice: position.entryPrice,
    currentPrice: position.exit?.price ?? null,
    quantity: position.quantity,
    pnl: position.exit?.pnl ?? null,
    pnlPercent: position.exit?.pnlPercent ?? null,
    status: "CLOSED",
    stopLoss: null,
    takeProfit: null,
    dataSource: "database",
    inSync: true,
    exchange: position.exchange,
    managed: position.managed,
    stopLossEnforced: false,
    takeProfitEnforced: false,
    guarded: false,
  };
}

/** The rows after the levels or the size of a position changed. Only what the books alone decide; prices come live. */
export function mergeLevels(shown: readonly Shown[], position: Position): readonly Shown[] {
  const place = shown.findIndex((one) => one.row.id === position.id && one.closed === null);
  const found = shown[place];
  if (!found) return shown;
  const { stopLoss, takeProfit } = position;
  const row: Row = {
    ...found.row,
    quantity: position.quantity,
    entryPrice: position.entryPrice,
    managed: position.managed,
    stopLoss: stopLoss.rule === "pinned" ? stopLoss.price : stopLoss.rule === "none" ? null : found.row.stopLoss,
    takeProfit:
      takeProfit.rule === "pinned" ? takeProfit.price : takeProfit.rule === "none" ? null : found.row.takeProfit,
    stopLossEnforced: stopLoss.enforced,
    takeProfitEnforced: takeProfit.enforced,
  };
  return shown.with(place, { ...found, row });
}
