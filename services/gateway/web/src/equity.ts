/** The equity curve of closed positions, from their own figures: exact until it is drawn. */
import type { Closed } from "./api/types";
import { add, compare, type Decimal, subtract } from "./decimal";

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

export function deepest(points: readonly EquityPoint[]): Decimal | null {
  return points.reduce<Decimal | null>(
    (worst, point) => (worst === null || compare(point.drawdown, worst) < 0 ? point.drawdown : worst),
    null,
  );
}
