/** Facts as a trader would tell them. */
import type { Evaluation } from "../api/advisor";
import type { Alert, Triggered } from "../api/alerts";
import type { ExecutionPush } from "../api/executions";
import type { Level, Position, Run } from "../api/types";
import { add, multiply } from "../decimal";
import { capital, exchangeName, formatPercent, formatPnl, formatPrice, formatQuantity, words } from "../format";

export interface Told {
  title: string;
  detail: string;
  tone: "gain" | "loss" | "even" | "note" | "alert";
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

const KINDS: Record<string, string> = {
  price_target: "Price target",
  profit_amount: "Profit",
  profit_percent: "Profit in percent",
  stop_moved: "Stop moved",
  position_closed: "Position closed",
  liquidation_near: "Liquidation near",
  feed_stale: "No fresh prices",
  reconciliation_suspicious: "Reconciliation in doubt",
  close_refused: "A close was refused",
  crossed_and_recovered: "Crossed and came back unwatched",
  crossed_unwatched: "Crossed while unwatched",
  resting_orders_cancelled: "Resting orders cancelled",
  open_unresolved: "An order to open is not resolved",
  trading_paused: "Trading is paused",
};

export const alertName = (kind: string): string => KINDS[kind] ?? capital(words(kind));

const of = (symbol: string | null, exchange: string | null): string =>
  symbol ? `${symbol}${exchange ? ` on ${exchangeName(exchange)}` : ""}` : exchange ? exchangeName(exchange) : "";

/** What an alert waits for, as a sentence without its beginning: "BTCUSDT on Binance rises above 70,000.00". */
export function tellAlert(alert: Alert): string {
  const { kind, threshold, direction } = alert;
  const one = of(alert.symbol, alert.exchange);
  const about = alert.positionId
    ? one
      ? `your position in ${one}`
      : `position ${alert.positionId}`
    : one || (alert.kind === "reconciliation_suspicious" ? "any account" : "any position");
  const passes = direction === "below" ? "falls below" : "rises above";
  switch (kind) {
    case "price_target":
      return `${about} ${passes} ${formatPrice(threshold)}`;
    case "profit_amount":
      return `the profit of ${about} ${passes} ${formatPnl(threshold)} USDT`;
    case "profit_percent":
      return `the profit of ${about} ${passes} ${formatPercent(threshold)}`;
    case "stop_moved":
      return `the stop of ${about} moves`;
    case "position_closed":
      return `${about} closes`;
    case "liquidation_near":
      return `${about} comes within ${threshold ? Number(threshold) : 5}\u00a0% of its liquidation`;
    case "feed_stale":
      return `prices of ${about} stop coming`;
    default:
      return `what the exchange says of ${about} is in doubt`;
  }
}

export function tellTriggered(one: Triggered): Told {
  const about = of(one.symbol, one.exchange);
  const detail = [one.reason, one.note ? `“${one.note}”` : null].filter(Boolean).join(" · ");
  return {
    title: `${alertName(one.kind)}${about ? `: ${about}` : ""}`,
    detail: capital(detail || "Told as asked for"),
    tone: "alert",
  };
}

/** What an advisor said, where it said something to do; null for a hold, of which there are many. */
export function tellEvaluation(one: Evaluation): Told | null {
  if (one.action === "hold") return null;
  const what =
    one.action === "close" ? "close" : `${one.action === "move_stop" ? "stop" : "target"} to ${formatPrice(one.price)}`;
  return {
    title: `Advisor: ${what} (${one.outcome})`,
    detail: capital(one.outcomeReason ? `${one.reason}. ${capital(one.outcomeReason)}` : one.reason),
    tone: "note",
  };
}

export function tellStep({ update, execution }: ExecutionPush): Told {
  return {
    title: `${execution.flowId}: ${words(update.step)} ${execution.symbol} ${execution.side}`,
    detail: capital(update.detail),
    tone: execution.state === "failed" || execution.state === "unresolved" ? "loss" : "note",
  };
}

/** A reconciliation that changed or could not do something; null for one that found everything in step. */
/** What a run did to the books: "1 adopted, 2 adjusted"; empty where it did nothing. */
export const tellDone = (run: Run): string =>
  (["adopted", "closed", "adjusted", "completed"] as const)
    .filter((name) => Number(run[name] ?? 0) > 0)
    .map((name) => `${run[name]} ${name}`)
    .join(", ");

export function tellRun(run: Run): Told | null {
  const changes = tellDone(run);
  const name = exchangeName(run.exchange);
  if (run.result === "failed") {
    return {
      title: `${name} could not be reconciled`,
      detail: capital(run.reason ?? "No reason is told"),
      tone: "loss",
    };
  }
  if (!changes) return null;
  return { title: `${name} reconciled`, detail: capital(changes), tone: "note" };
}

export interface Doubt {
  exchange: string;
  reason: string;
  positionIds: string[];
  ended: boolean;
}

export function tellDoubt(doubt: Doubt): Told {
  const name = exchangeName(doubt.exchange);
  return doubt.ended
    ? { title: `${name} is believed again`, detail: capital(doubt.reason || "Readings agree"), tone: "note" }
    : {
        title: `What ${name} says is in doubt`,
        detail: `${capital(doubt.reason)}. Nothing is closed in the books on its word.`,
        tone: "loss",
      };
}

export function tellGuard(guard: { guarded: boolean; reason: string | null }): Told {
  return guard.guarded
    ? { title: "Guarded again", detail: "The monitor watches the enforced levels of the account.", tone: "note" }
    : {
        title: "Not guarded",
        detail: capital(guard.reason ?? "Nobody watches the levels of the account"),
        tone: "loss",
      };
}
