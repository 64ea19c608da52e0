/** Facts as a trader would tell them. */
import type { Level, Position } from "../api/types";
import { add, multiply } from "../decimal";
import { capital, exchangeName, formatPercent, formatPnl, formatPrice, formatQuantity, words } from "../format";

export interface Told {
  title: string;
  detail: string;
  tone: "gain" | "loss" | "even" | "note";
}

export function percentOf(distance: string): string {
  return `${Number(multiply(distance, "100"))} %`;
}

export function tellLevel(level: Level): string {
  if (level.rule === "none") return "none";
  const held = level.enforced ? "enforced" : "indicative";
  if (level.rule === "pinned") return `${formatPrice(level.price)}, ${held}`;
  return `trailing ${percentOf(level.distance ?? "0")}, ${held}`;
}

const sameLevel = (a: Level, b: Level) =>
  a.rule === b.rule && a.price === b.price && a.distance === b.distance && a.enforced === b.enforced;

export function tellOpened(position: Position): Told {
  const how = position.origin === "external" ? "Adopted" : "Opened";
  return {
    title: `${how} ${position.symbol} ${position.side}`,
    detail: `${formatQuantity(position.quantity)} at ${formatPrice(position.entryPrice)} on ${exchangeName(position.exchange)}`,
    tone: "note",
  };
}

export function tellClosed(position: Position): Told {
  const exit = position.exit;
  const why = exit ? words(exit.reason) : "closed";
  const gained = exit?.pnl ?? null;
  const at = exit?.price ? `at ${formatPrice(exit.price)}` : "price not known yet";
  return {
    title: `${position.symbol} ${position.side} closed: ${why}`,
    detail: `${at} on ${exchangeName(position.exchange)}${gained === null ? "" : `, ${formatPnl(gained)} (${formatPercent(exit?.pnlPercent)})`}`,
    tone: gained === null ? "even" : add(gained, "0").startsWith("-") ? "loss" : "gain",
  };
}

/** What changed of an open position, compared with what was known of it before. */
export function tellChanged(position: Position, before: Position | null): Told {
  const changes: string[] = [];
  if (!before || !sameLevel(before.stopLoss, position.stopLoss)) changes.push(`stop ${tellLevel(position.stopLoss)}`);
  if (!before || !sameLevel(before.takeProfit, position.takeProfit)) {
    changes.push(`target ${tellLevel(position.takeProfit)}`);
  }
  if (before && before.quantity !== position.quantity) {
    changes.push(`size ${formatQuantity(before.quantity)} → ${formatQuantity(position.quantity)}`);
  }
  if (before && before.managed !== position.managed) changes.push(position.managed ? "now managed" : "now observed");
  return {
    title: `${position.symbol} ${position.side} changed`,
    detail: capital(changes.join("; ") || `version ${position.version}`),
    tone: "note",
  };
}
