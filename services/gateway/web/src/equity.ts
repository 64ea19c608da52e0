/** The equity curve of closed positions, by day or by position: exact until it is drawn. */
import type { EquityDay } from "./api/performance";
import type { Closed } from "./api/types";
import { absolute, add, compare, type Decimal, negate, subtract } from "./decimal";

export interface EquityPoint {
  at: string;
  /** Gained since the beginning, in quote currency. */
  total: Decimal;
  /** Below the highest total so far; 0 or negative. */
  drawdown: Decimal;
}

/** Estimated exits and those without figures are left out, as the analytics leave them out. */
export function equityOf(closed: readonly Closed[]): EquityPoint[] {
  const counted = closed.filter((one) => one.pnl !== null && one.closedAt !== null && !one.estimated);
  counted.sort((a, b) => ((a.closedAt ?? "") < (b.closedAt ?? "") ? -1 : 1));
  let [total, peak]: Decimal[] = ["0", "0"] as [Decimal, Decimal];
  return counted.map((one) => {
    total = add(total as Decimal, one.pnl ?? "0");
    if (compare(total, peak as Decimal) > 0) peak = total;
    return { at: one.closedAt ?? "", total, drawdown: subtract(total, peak as Decimal) };
  });
}

/** The curve by day, as the books reckon it. */
export function equityOfDays(days: readonly EquityDay[]): EquityPoint[] {
  return days
    .filter((one) => one.day !== null)
    .map((one) => ({ at: one.day ?? "", total: one.cumulativePnl, drawdown: negate(absolute(one.drawdown)) }));
}

const FEWEST_DAYS = 30;

/** By position where all of them are at hand and the days are few, as it shows more; else by day. */
export function curveOf(
  days: readonly EquityDay[],
  closed: readonly Closed[],
  more: boolean,
): { points: EquityPoint[]; daily: boolean } {
  if (more || days.length > FEWEST_DAYS) return { points: equityOfDays(days), daily: true };
  return { points: equityOf(closed), daily: false };
}
