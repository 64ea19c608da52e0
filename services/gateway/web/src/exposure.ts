/** Exposure over all accounts, from the open rows: exact sums. */
import type { Row } from "./api/types";
import { add, type Decimal, subtract } from "./decimal";
import { notional } from "./outlook";

export interface Exposure {
  name: string;
  count: number;
  long: Decimal;
  short: Decimal;
  gross: Decimal;
  net: Decimal;
  pnl: Decimal;
}

/** One exposure for each name that the rows have, the largest first. */
export function exposures(rows: readonly Row[], nameOf: (row: Row) => string): Exposure[] {
  const found = new Map<string, Exposure>();
  for (const row of rows) {
    const name = nameOf(row);
    const before = found.get(name) ?? { name, count: 0, long: "0", short: "0", gross: "0", net: "0", pnl: "0" };
    const size = notional(row);
    const long = row.type === "LONG" ? add(before.long, size) : before.long;
    const short = row.type === "SHORT" ? add(before.short, size) : before.short;
    found.set(name, {
      name,
      count: before.count + 1,
      long,
      short,
      gross: add(long, short),
      net: subtract(long, short),
      pnl: add(before.pnl, row.pnl ?? "0"),
    });
  }
  return [...found.values()].sort((a, b) => Number(b.gross) - Number(a.gross));
}
