/** How figures and times are shown. What is rounded here is for reading; the exact text stays in the title. */
import { absolute, type Decimal, fixed, sign } from "./decimal";

const MINUS = "\u2212";
export const UNKNOWN = "–";

/** The places with which a price is shown: fewer for what is dear, so that a column of one symbol never changes width. */
export function pricePlaces(price: Decimal): number {
  const size = Math.abs(Number(price));
  if (size >= 1000) return 2;
  if (size >= 100) return 3;
  if (size >= 1) return 4;
  if (size >= 0.01) return 6;
  return 8;
}

function group(text: string): string {
  const [whole = "", fraction] = text.split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return fraction === undefined ? grouped : `${grouped}.${fraction}`;
}

export function formatPrice(price: Decimal | null | undefined, like?: Decimal | null): string {
  if (price === null || price === undefined) return UNKNOWN;
  return group(fixed(price, pricePlaces(like ?? price)));
}

/** An amount of quote currency, unsigned unless negative. */
export function formatAmount(amount: Decimal | null | undefined, places = 2): string {
  if (amount === null || amount === undefined) return UNKNOWN;
  const shown = fixed(amount, places);
  return `${sign(shown) < 0 ? MINUS : ""}${group(absolute(shown))}`;
}

/** A gain or a loss, always with its sign. */
export function formatPnl(amount: Decimal | null | undefined, places = 2): string {
  if (amount === null || amount === undefined) return UNKNOWN;
  const shown = fixed(amount, places);
  const mark = sign(shown) > 0 ? "+" : sign(shown) < 0 ? MINUS : "";
  return `${mark}${group(absolute(shown))}`;
}

export function formatPercent(percent: Decimal | null | undefined): string {
  return percent === null || percent === undefined ? UNKNOWN : `${formatPnl(percent)}\u00a0%`;
}

export function formatQuantity(quantity: Decimal): string {
  return group(quantity);
}

export function formatTime(instant: string | Date): string {
  return new Date(instant).toLocaleTimeString([], {
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hour12: false,
  });
}

export function formatMoment(instant: string | null): string {
  if (!instant) return UNKNOWN;
  const moment = new Date(instant);
  const day = moment.toLocaleDateString([], { year: "numeric", month: "short", day: "2-digit" });
  return `${day}, ${moment.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false })}`;
}

/** As `formatMoment`, to the second: what happened one after the other must not look like at once. */
export function formatInstant(instant: string | null): string {
  if (!instant) return UNKNOWN;
  const day = new Date(instant).toLocaleDateString([], { year: "numeric", month: "short", day: "2-digit" });
  return `${day}, ${formatTime(instant)}`;
}

const INSTANT = /\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?Z/g;

/** Evidence as it was written, with its instants in the reader's own time. */
export const readable = (text: string): string => capital(text.replace(INSTANT, (instant) => formatInstant(instant)));

/** How long something lasted or lasts: 3d 4h, 4h 12m, 12m, 40s. */
export function formatDuration(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const [days, hours, minutes] = [
    Math.floor(seconds / 86400),
    Math.floor(seconds / 3600) % 24,
    Math.floor(seconds / 60) % 60,
  ];
  if (days) return `${days}d ${hours}h`;
  if (hours) return `${hours}h ${minutes}m`;
  if (minutes) return `${minutes}m`;
  return `${seconds}s`;
}

/** A countdown as 4:07. */
export function formatCountdown(milliseconds: number): string {
  const seconds = Math.max(0, Math.ceil(milliseconds / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

const NAMES: Record<string, string> = { binance: "Binance", bybit: "Bybit" };

export function exchangeName(exchange: string): string {
  return NAMES[exchange] ?? exchange;
}

/** STOP_LOSS or stop_loss as words: stop loss. */
export function words(code: string): string {
  return code.toLowerCase().replaceAll("_", " ");
}

export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** The direction of a figure, for its colour. */
export function tone(amount: Decimal | null | undefined): "gain" | "loss" | "even" {
  const direction = amount === null || amount === undefined ? 0 : sign(amount);
  return direction > 0 ? "gain" : direction < 0 ? "loss" : "even";
}
