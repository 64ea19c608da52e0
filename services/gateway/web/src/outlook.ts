/** What a level would bring if it fired, before fees: exact, from the figures as they are. */

import type { LevelKind } from "./api/routes";
import type { Row } from "./api/types";
import { compare, type Decimal, isDecimal, multiply, negate, subtract } from "./decimal";

/** The gain (loss: negative) of a whole position that ends at a price. */
export function gainAt(row: Pick<Row, "type" | "entryPrice" | "quantity">, price: Decimal): Decimal {
  const gain = multiply(subtract(price, row.entryPrice), row.quantity);
  return row.type === "LONG" ? gain : negate(gain);
}

/** The size of a position in quote currency, at the present price. */
export function notional(row: Pick<Row, "currentPrice" | "entryPrice" | "quantity">): Decimal {
  return multiply(row.currentPrice ?? row.entryPrice, row.quantity);
}

/** Why a price cannot be this level; null where it can. The gateway checks again. */
export function refuseLevel(row: Pick<Row, "type" | "currentPrice">, kind: LevelKind, text: string): string | null {
  if (!isDecimal(text) || compare(text, "0") <= 0) return "Type a price above 0.";
  if (row.currentPrice === null) return null;
  const below = (row.type === "LONG") === (kind === "stop-loss");
  const side = compare(text, row.currentPrice);
  if (below ? side >= 0 : side <= 0) {
    const name = kind === "stop-loss" ? "stop" : "target";
    return `A ${name} of a ${row.type.toLowerCase()} position lies ${below ? "below" : "above"} the price.`;
  }
  return null;
}

/** What a person typed, without spaces and separators of thousands. */
export function typedPrice(text: string): string {
  return text.replace(/[\s,_]/g, "");
}

/** The distance that a person typed as a percentage, as a fraction: "1.5 %" is 0.015; null where it is no percentage. */
export function typedDistance(text: string): Decimal | null {
  const percent = /^(\d+(?:\.\d+)?)%$/.exec(typedPrice(text))?.[1];
  return percent === undefined ? null : multiply(percent, "0.01");
}

/** Why a stop cannot trail at such a distance; null where it can. */
export function refuseDistance(distance: Decimal): string | null {
  return compare(distance, "0") > 0 && compare(distance, "1") < 0 ? null : "Type a distance above 0 % and below 100 %.";
}
