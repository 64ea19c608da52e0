/** What a level would bring if it fired, before fees: exact, from the figures as they are. */

import type { LevelKind } from "./api/routes";
import type { Entry, Row } from "./api/types";
import { add, compare, cut, type Decimal, divide, isDecimal, multiply, negate, placesOf, subtract } from "./decimal";

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

const FEWEST_PLACES = 3;
const RATE_PLACES = 8;

/** So many percent of a quantity, with no more places than the venue is likely to take. */
export function shareOf(quantity: Decimal, percent: number): Decimal {
  if (percent === 100) return quantity;
  return cut(multiply(quantity, String(percent / 100)), Math.max(placesOf(quantity), FEWEST_PLACES));
}

/** Why so much of a position cannot be closed; null where it can. The gateway checks again. */
export function refuseQuantity(row: Pick<Row, "quantity">, text: string): string | null {
  const typed = typedPrice(text);
  if (!isDecimal(typed) || compare(typed, "0") <= 0) return "Type a quantity above 0.";
  return compare(typed, row.quantity) > 0 ? `It holds ${row.quantity} only.` : null;
}

export interface CloseOutlook {
  /** At the present price, before fees; null while there is no price. */
  gain: Decimal | null;
  /** Those of the closing order, at the rate that was paid at entry; null where that is not known. */
  fee: Decimal | null;
  /** As a percentage of what is traded. */
  feePercent: Decimal | null;
  /** The gain less fees: the order's, and this part of the entry's. */
  net: Decimal | null;
  left: Decimal;
}

/** What closing so much of a position at the present price would bring. */
export function outlookOfClose(row: Row, quantity: Decimal, entry: Entry | null): CloseOutlook {
  const left = subtract(row.quantity, quantity);
  const price = row.currentPrice;
  const gain = price === null ? null : gainAt({ ...row, quantity }, price);
  const [paid, total] = [entry?.fee ?? null, entry?.totalValue ?? null];
  const rate = paid === null || total === null || compare(paid, "0") < 0 ? null : divide(paid, total, RATE_PLACES);
  if (gain === null || price === null || rate === null) return { gain, fee: null, feePercent: null, net: null, left };
  const fee = multiply(multiply(price, quantity), rate);
  const begun = multiply(multiply(row.entryPrice, quantity), rate);
  return { gain, fee, feePercent: multiply(rate, "100"), net: subtract(gain, add(fee, begun)), left };
}

/** How far the price is from the liquidation, in percent of the price; null where either is not known. */
export function wayLeft(price: Decimal | null, liquidation: Decimal | null): Decimal | null {
  if (price === null || liquidation === null || compare(price, "0") <= 0) return null;
  const way = divide(multiply(subtract(price, liquidation), "100"), price, 2);
  return way === null ? null : way.startsWith("-") ? way.slice(1) : way;
}
