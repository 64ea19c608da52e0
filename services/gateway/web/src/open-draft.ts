/** A position as it is being asked for: what is wrong with it, the body that asks for it, and what it would come to. */
import { Figure, type Value } from "./api/json";
import type { LevelKind } from "./api/routes";
import { absolute, add, compare, type Decimal, divide, isDecimal, multiply, subtract } from "./decimal";
import { gainAt, refuseDistance, refuseLevel, typedDistance, typedPrice } from "./outlook";

/** Who opens it: a flow, whose execution is followed to its end, or a person. */
export type Purpose = "flow" | "hand";
export type SizeWay = "notional" | "quantity" | "risk";
export type LevelWay = "price" | "trail" | "none";

export interface LevelDraft {
  way: LevelWay;
  /** A price, or a percentage to trail at. */
  text: string;
}

export interface OpenDraft {
  flow: string;
  node: string;
  account: string;
  symbol: string;
  side: "long" | "short";
  sizeWay: SizeWay;
  size: string;
  /** Empty: as the account has it. */
  leverage: string;
  stop: LevelDraft;
  target: LevelDraft;
}

export type OpenField = "flow" | "node" | "account" | "symbol" | "size" | "leverage" | "stop" | "target";
export type Refusals = Partial<Record<OpenField, string>>;

/** The levels are those that Tandem takes where none are said. */
export const NEW_OPENING: OpenDraft = {
  flow: "",
  node: "",
  account: "",
  symbol: "",
  side: "long",
  sizeWay: "notional",
  size: "",
  leverage: "",
  stop: { way: "trail", text: "2" },
  target: { way: "trail", text: "4" },
};

const SIZE_FIELDS: Record<SizeWay, string> = { notional: "notional", quantity: "quantity", risk: "riskPercent" };
const MOST_LEVERAGE = "1000";

/** A figure as a person types one, in the shape of a JSON number; null where it is none. */
function typedNumber(text: string, unit: RegExp): Decimal | null {
  const bare = typedPrice(text).replace(unit, "");
  return isDecimal(bare) ? add(bare, "0") : null;
}

export const symbolOf = (draft: OpenDraft): string => draft.symbol.trim().toUpperCase();
export const sizeOf = (draft: OpenDraft): Decimal | null => typedNumber(draft.size, /(%|usdt)$/i);
export const leverageOf = (draft: OpenDraft): Decimal | null => typedNumber(draft.leverage, /[x×]$/i);

/** The distance to trail at, as a fraction; null where it does not trail, or nothing that can be read was typed. */
export function distanceOf(level: LevelDraft): Decimal | null {
  if (level.way !== "trail") return null;
  return typedDistance(level.text.includes("%") ? level.text : `${level.text}%`);
}

/** The price that a level is pinned to; null where it is not, or nothing that can be read was typed. */
export const priceOf = (level: LevelDraft): Decimal | null =>
  level.way === "price" ? typedNumber(level.text, /usdt$/i) : null;

const rowOf = (draft: OpenDraft, price: Decimal | null) =>
  ({ type: draft.side === "long" ? "LONG" : "SHORT", currentPrice: price }) as const;

function refuseDraftLevel(draft: OpenDraft, kind: LevelKind, price: Decimal | null): string | null {
  const level = kind === "stop-loss" ? draft.stop : draft.target;
  if (level.way === "none") return null;
  if (level.way === "trail") return refuseDistance(distanceOf(level) ?? "0");
  return refuseLevel(rowOf(draft, price), kind, priceOf(level) ?? "");
}

function refuseSize(draft: OpenDraft): string | null {
  const size = sizeOf(draft);
  if (size === null || compare(size, "0") <= 0) {
    return draft.sizeWay === "risk" ? "Type a percentage above 0." : "Type a size above 0.";
  }
  if (draft.sizeWay !== "risk") return null;
  if (compare(size, "100") > 0) return "More than the whole account cannot be lost: type at most 100 %.";
  return draft.stop.way === "none" ? "A risk needs a stop: it says how far the loss goes." : null;
}

/** Both pinned: whether they lie on the wrong sides of each other. */
function crossed(draft: OpenDraft): boolean {
  const [stop, target] = [priceOf(draft.stop), priceOf(draft.target)];
  if (stop === null || target === null) return false;
  return draft.side === "long" ? compare(stop, target) >= 0 : compare(stop, target) <= 0;
}

/** What cannot be as it was typed, by field; `price` is the present one, null where it is not known here. */
export function refuseOpening(draft: OpenDraft, purpose: Purpose, price: Decimal | null): Refusals {
  const found: Refusals = {};
  const refuse = (field: OpenField, problem: string | null) => {
    if (problem !== null) found[field] = problem;
  };
  if (purpose === "flow") {
    const flow = draft.flow.trim();
    if (!/^[\x21-\x2e\x30-\x7e]{1,128}$/.test(flow) || /^\.+$/.test(flow)) {
      refuse("flow", "Name the flow in one word, such as trend-following.");
    }
    if (draft.node.trim().length > 128) refuse("node", "Type at most 128 characters.");
  }
  if (!draft.account) refuse("account", "Choose an account that may trade.");
  if (!/^[A-Z0-9_.:/-]{1,40}$/.test(symbolOf(draft))) refuse("symbol", "Type a symbol, such as BTCUSDT.");
  refuse("size", refuseSize(draft));
  if (draft.leverage.trim()) {
    const leverage = leverageOf(draft);
    const whole = leverage !== null && /^\d+$/.test(leverage) && compare(leverage, "1") >= 0;
    if (!whole || compare(leverage, MOST_LEVERAGE) > 0) {
      refuse("leverage", "Type a whole number from 1, or nothing to leave it as it is.");
    }
  }
  refuse("stop", refuseDraftLevel(draft, "stop-loss", price));
  refuse("target", refuseDraftLevel(draft, "take-profit", price));
  if (!found.stop && !found.target && crossed(draft)) {
    const side = draft.side === "long" ? "above" : "below";
    refuse("target", `The target of a ${draft.side} position lies ${side} its stop.`);
  }
  return found;
}

const chosenLevel = (level: LevelDraft): Value => {
  if (level.way === "none") return { price: null };
  const distance = distanceOf(level);
  if (distance !== null) return { trailingDistance: new Figure(distance) };
  return { price: new Figure(priceOf(level) ?? "") };
};

/** The body that asks for it. Raises RangeError where the draft is refused. */
export function bodyOfOpening(draft: OpenDraft, purpose: Purpose): Record<string, Value> {
  const body: Record<string, Value> = {
    accountId: draft.account,
    symbol: symbolOf(draft),
    side: draft.side,
    [SIZE_FIELDS[draft.sizeWay]]: new Figure(sizeOf(draft) ?? ""),
    stopLoss: chosenLevel(draft.stop),
    takeProfit: chosenLevel(draft.target),
  };
  const leverage = draft.leverage.trim() ? leverageOf(draft) : null;
  if (leverage !== null) body.leverage = new Figure(leverage);
  if (purpose === "flow" && draft.node.trim()) body.nodeId = draft.node.trim();
  return body;
}

export interface OpenOutlook {
  /** Base units; null where that takes a price, or the account's equity, that is not known here. */
  quantity: Decimal | null;
  /** Quote currency. */
  notional: Decimal | null;
  /** What the account sets aside for it; null without a stated leverage. */
  margin: Decimal | null;
  /** Where stop and target would lie at the present price. */
  stop: Decimal | null;
  target: Decimal | null;
  /** What it would bring if it ended there, before fees. */
  atStop: Decimal | null;
  atTarget: Decimal | null;
}

const PLACES = 8;

/** What a draft that is not refused would come to at the present price. */
export function outlookOfOpening(draft: OpenDraft, price: Decimal | null): OpenOutlook {
  const size = sizeOf(draft);
  let quantity = draft.sizeWay === "quantity" ? size : null;
  if (draft.sizeWay === "notional" && size !== null && price !== null) quantity = divide(size, price, PLACES);
  const held = quantity !== null && price !== null ? multiply(quantity, price) : null;
  const notional = draft.sizeWay === "notional" ? size : held;
  const leverage = leverageOf(draft);
  const margin = notional !== null && leverage !== null ? divide(notional, leverage, 2) : null;
  const lies = (level: LevelDraft, below: boolean): Decimal | null => {
    const distance = distanceOf(level);
    if (distance === null) return priceOf(level);
    if (price === null) return null;
    return multiply(price, below ? subtract("1", distance) : add("1", distance));
  };
  const long = draft.side === "long";
  const [stop, target] = [lies(draft.stop, long), lies(draft.target, !long)];
  const at = (level: Decimal | null) =>
    level === null || price === null || quantity === null
      ? null
      : gainAt({ type: long ? "LONG" : "SHORT", entryPrice: price, quantity }, level);
  return { quantity, notional, margin, stop, target, atStop: at(stop), atTarget: at(target) };
}

/** How far a level is from the present price, in percent of it; null where either is not known. */
export function wayTo(level: Decimal | null, price: Decimal | null): Decimal | null {
  if (level === null || price === null) return null;
  const way = divide(multiply(subtract(level, price), "100"), price, 2);
  return way === null ? null : absolute(way);
}
