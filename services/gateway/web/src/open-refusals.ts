/** What stood in the way of opening a position: what is to blame, and what to do about it. */
import { ApiError } from "./api/client";
import { capital } from "./format";
import type { OpenField } from "./open-draft";

export interface Refused {
  text: string;
  /** What to do; null where the text says it. */
  advice: string | null;
  /** The field to change, where one is to blame. */
  field: OpenField | null;
  /**
   * It may have been opened all the same: only the very same request may be sent again, which never opens a second one.
   */
  unsure: boolean;
}

const FIELDS: [RegExp, OpenField][] = [
  [/^(quantity|notional|risk_?percent)$/i, "size"],
  [/^leverage$/, "leverage"],
  [/^stop_?loss/i, "stop"],
  [/^take_?profit/i, "target"],
  [/^symbol$/, "symbol"],
  [/^account_?id$/i, "account"],
  [/^flow_?id$/i, "flow"],
  [/^node_?id$/i, "node"],
];

const BLAMED: Record<string, OpenField> = {
  SYMBOL_UNKNOWN: "symbol",
  SLOT_TAKEN: "symbol",
  INSUFFICIENT_MARGIN: "size",
  STOP_BEYOND_LIQUIDATION: "stop",
  ACCOUNT_NOT_FOUND: "account",
  TRADING_NOT_ENABLED: "account",
};

const ADVICE: Record<string, string> = {
  OPENING_PAUSED: "Whoever paused it can let it go on: under Settings, or an administrator under Admin.",
  TRADING_NOT_ENABLED: "Switch trading on for it under Keys, or choose another account.",
  ACCOUNT_NOT_FOUND: "Choose another account; it may have been removed.",
  SYMBOL_UNKNOWN: "Type it as the exchange writes it, such as BTCUSDT.",
  SLOT_TAKEN: "Close that one first, or choose another symbol or account.",
  INSUFFICIENT_MARGIN: "Choose a smaller size or a higher leverage, or bring funds to the account.",
  LEVEL_ALREADY_CROSSED: "Choose a price on the other side of the market.",
  STOP_BEYOND_LIQUIDATION: "Bring the stop nearer, or choose a lower leverage.",
  PRICE_UNAVAILABLE: "Nothing was sent.",
  VENUE_SILENT: "Nothing was sent. Try again in a moment.",
  PAUSES_UNKNOWN: "Nothing was sent.",
  RATE_LIMITED: "Nothing was sent.",
  OPEN_REJECTED: "Nothing is open. Change what it complains of, or try again.",
  OPEN_UNRESOLVED: "The order is looked up until the exchange tells, and you are told then.",
};

/** Checks that are made before anything is written or sent: they leave no doubt. */
const BEFORE = new Set(["PRICE_UNAVAILABLE", "VENUE_SILENT", "PAUSES_UNKNOWN", "RATE_LIMITED"]);

const blamed = (failure: ApiError): OpenField | null => {
  if (failure.code === "LEVEL_ALREADY_CROSSED") return failure.message.includes("take-profit") ? "target" : "stop";
  const field = failure.field;
  if (field !== null) return FIELDS.find(([names]) => names.test(field))?.[1] ?? null;
  return BLAMED[failure.code] ?? null;
};

/** `doubted`: an earlier answer to this very request left it open what became of it. */
export function explainOpening(failure: unknown, doubted: boolean): Refused {
  if (!(failure instanceof ApiError)) return { text: String(failure), advice: null, field: null, unsure: false };
  const prefix = failure.field === null ? "" : `${failure.field}: `;
  const bare = failure.message.startsWith(prefix) ? failure.message.slice(prefix.length) : failure.message;
  return {
    text: failure.code === "IDEMPOTENCY_KEY_IN_USE" ? "The first attempt has not ended yet." : capital(bare),
    advice: ADVICE[failure.code] ?? null,
    field: blamed(failure),
    unsure: failure.unsure && (doubted || !BEFORE.has(failure.code)),
  };
}
