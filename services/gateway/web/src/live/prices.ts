/** The prices seen of each symbol since the page was opened, for the charts. */
import type { Row } from "../api/types";
import { Store } from "../store";

/** `time` in whole seconds since 1970. */
export interface Seen {
  time: number;
  value: number;
}

const LONGEST = 1_800;
const STORAGE = "tandem.prices";
const series = new Map<string, Seen[]>(restore());
/** Turns with each price that is new. */
export const priceTurns = new Store(0);

export const priceKey = (row: Pick<Row, "exchange" | "pair">) => `${row.exchange}:${row.pair}`;

export function seenPrices(key: string): readonly Seen[] {
  return series.get(key) ?? [];
}

export function notePrices(rows: Iterable<Row>, now = Date.now()): void {
  const time = Math.floor(now / 1000);
  let any = false;
  for (const row of rows) {
    if (row.currentPrice === null) continue;
    const key = priceKey(row);
    const seen = series.get(key) ?? [];
    if (!series.has(key)) series.set(key, seen);
    const value = Number(row.currentPrice);
    const last = seen.at(-1);
    if (last && last.time >= time) last.value = value;
    else seen.push({ time, value });
    if (seen.length > LONGEST) seen.splice(0, seen.length - LONGEST);
    any = true;
  }
  if (any) priceTurns.change((turn) => turn + 1);
}

export function forgetPrices(): void {
  series.clear();
  try {
    sessionStorage.removeItem(STORAGE);
  } catch {
    // Storage is closed: there was nothing in it.
  }
}

/** A reload of the page goes on where it was, if that was within the hour. */
export function keepPrices(): void {
  try {
    sessionStorage.setItem(STORAGE, JSON.stringify([...series]));
  } catch {
    // Storage is closed or full: the chart begins anew.
  }
}

function restore(): [string, Seen[]][] {
  try {
    const kept = JSON.parse(sessionStorage.getItem(STORAGE) ?? "[]") as [string, Seen[]][];
    const oldest = Date.now() / 1000 - 3600;
    return kept.map(([key, seen]) => [key, seen.filter((one) => one.time > oldest)]);
  } catch {
    return [];
  }
}
