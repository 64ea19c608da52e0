/** An alert as it is being written: what its kind needs, what is wrong with it, and the body that asks for it. */
import { ALERT_KINDS, type Alert, type AlertFields, type AlertKind, type Direction } from "./api/alerts";
import { Figure } from "./api/json";
import { compare, isDecimal } from "./decimal";
import { typedPrice } from "./outlook";

export interface AlertDraft {
  kind: AlertKind;
  exchange: string;
  symbol: string;
  /** Empty: every position. */
  positionId: string;
  direction: Direction;
  threshold: string;
  repeating: boolean;
  webhook: boolean;
  note: string;
}

export const KINDS = ALERT_KINDS;

export const NEW_ALERT: AlertDraft = {
  kind: "price_target",
  exchange: "binance",
  symbol: "",
  positionId: "",
  direction: "above",
  threshold: "",
  repeating: false,
  webhook: false,
  note: "",
};

interface Needs {
  symbol: boolean;
  position: boolean;
  direction: boolean;
  /** What the threshold is counted in; null where the kind has none. */
  unit: string | null;
}

const PLAIN: Needs = { symbol: false, position: false, direction: false, unit: null };
const OF_POSITION: Needs = { ...PLAIN, position: true };

export const NEEDS: Record<AlertKind, Needs> = {
  price_target: { symbol: true, position: false, direction: true, unit: "USDT" },
  profit_amount: { ...OF_POSITION, direction: true, unit: "USDT" },
  profit_percent: { ...OF_POSITION, direction: true, unit: "%" },
  stop_moved: OF_POSITION,
  position_closed: OF_POSITION,
  liquidation_near: { ...OF_POSITION, unit: "% left" },
  feed_stale: PLAIN,
  reconciliation_suspicious: PLAIN,
};

/** What a person typed into a figure: separators and the unit left out. */
export const typedFigure = (text: string): string =>
  typedPrice(text)
    .replace(/%$|usdt$/i, "")
    .replace(/^\+/, "")
    .replace("\u2212", "-");

/** Why a threshold cannot be; null where it can. The gateway checks again. */
export function refuseThreshold(kind: AlertKind, text: string): string | null {
  if (NEEDS[kind].unit === null) return null;
  const figure = typedFigure(text);
  if (!isDecimal(figure)) return "Type a number.";
  const positive = kind === "price_target" || kind === "liquidation_near";
  if (positive && compare(figure, "0") <= 0) return "Type a number above 0.";
  if (kind === "liquidation_near" && compare(figure, "90") > 0) return "Type at most 90 %.";
  return null;
}

export function refuseAlert(draft: AlertDraft): string | null {
  if (NEEDS[draft.kind].symbol && !/^[A-Za-z0-9_.:/-]{1,40}$/.test(draft.symbol.trim())) {
    return "Type a symbol, such as BTCUSDT.";
  }
  return refuseThreshold(draft.kind, draft.threshold);
}

/** The body that asks for it: only what its kind needs. Raises RangeError where the draft is refused. */
export function bodyOf(draft: AlertDraft): AlertFields {
  const needs = NEEDS[draft.kind];
  const body: AlertFields = { kind: draft.kind, repeating: draft.repeating, webhook: draft.webhook };
  if (needs.symbol) {
    body.exchange = draft.exchange;
    body.symbol = draft.symbol.trim().toUpperCase();
  }
  if (needs.position && draft.positionId) body.positionId = draft.positionId;
  if (needs.direction) body.direction = draft.direction;
  if (needs.unit !== null) body.threshold = new Figure(typedFigure(draft.threshold));
  if (draft.note.trim()) body.note = draft.note.trim();
  return body;
}

export function draftOf(alert: Alert): AlertDraft {
  return {
    kind: alert.kind,
    exchange: alert.exchange ?? "binance",
    symbol: alert.symbol ?? "",
    positionId: alert.positionId ?? "",
    direction: alert.direction ?? "above",
    threshold: alert.threshold ?? "",
    repeating: alert.repeating,
    webhook: alert.webhook,
    note: alert.note ?? "",
  };
}

/** What of an alert is changed by a draft of it; changing anything arms it again. */
export function changesOf(alert: Alert, draft: AlertDraft): AlertFields {
  const changes: AlertFields = { expectedVersion: new Figure(alert.version), active: true };
  if (NEEDS[alert.kind].unit !== null) changes.threshold = new Figure(typedFigure(draft.threshold));
  if (draft.repeating !== alert.repeating) changes.repeating = draft.repeating;
  if (draft.webhook !== alert.webhook) changes.webhook = draft.webhook;
  if (draft.note.trim() !== (alert.note ?? "")) changes.note = draft.note.trim();
  return changes;
}
