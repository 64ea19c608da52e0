/** What happened, from the books: figures, curve, breakdowns and history of one choice of closed positions. */
import type { Decimal } from "../decimal";
import { ask, download } from "./client";
import type { Analytics, HistoryPage } from "./types";

export const PERIODS = ["24h", "7d", "30d", "90d", "1y", "all"] as const;
export type Period = (typeof PERIODS)[number];

/** Which closed positions are asked for: those of a period, or of days from `from` to `to` (2025-10-21, inclusive). */
export interface Choice {
  period: Period | "days";
  from: string;
  to: string;
  exchange: string;
  symbol: string;
  flow: string;
}

export const EVERYTHING: Choice = { period: "30d", from: "", to: "", exchange: "", symbol: "", flow: "" };

export interface EquityDay {
  day: string | null;
  trades: string;
  realizedPnl: Decimal;
  cumulativePnl: Decimal;
  drawdown: Decimal;
  /** What the account held at the end of the day, less transfers; null where that is not known. */
  equity: Decimal | null;
  drawdownPercent: Decimal | null;
}

export interface Group {
  key: string | null;
  totalTrades: string;
  winningTrades: string;
  losingTrades: string;
  winRate: Decimal | null;
  totalPnl: Decimal | null;
  averagePnl: Decimal | null;
  bestTrade: Decimal | null;
  worstTrade: Decimal | null;
  profitFactor: Decimal | null;
  fees: Decimal | null;
}

export interface Breakdown {
  bySymbol: Group[];
  byExchange: Group[];
  bySide: Group[];
  byExitReason: Group[];
  byFlow: Group[];
}

/** The query of a choice. Days are the reader's own: they begin at midnight where they are. */
export function queryOf(choice: Choice): URLSearchParams {
  const query = new URLSearchParams();
  if (choice.period === "days") {
    if (choice.from) query.set("from", new Date(`${choice.from}T00:00:00`).toISOString());
    if (choice.to) {
      const end = new Date(`${choice.to}T00:00:00`);
      end.setDate(end.getDate() + 1);
      query.set("to", end.toISOString());
    }
    if (!choice.from && !choice.to) query.set("period", "all");
  } else query.set("period", choice.period);
  if (choice.exchange) query.set("exchange", choice.exchange);
  if (choice.symbol.trim()) query.set("symbol", choice.symbol.trim().toUpperCase());
  if (choice.flow.trim()) query.set("flow", choice.flow.trim());
  return query;
}

export async function readSummary(choice: Choice): Promise<Analytics> {
  return (await ask<{ analytics: Analytics }>("GET", `/api/performance/summary?${queryOf(choice)}`)).analytics;
}

export async function readEquity(choice: Choice): Promise<EquityDay[]> {
  return (await ask<{ points: EquityDay[] }>("GET", `/api/performance/equity?${queryOf(choice)}`)).points;
}

export const readBreakdown = (choice: Choice) => ask<Breakdown>("GET", `/api/performance/breakdown?${queryOf(choice)}`);

export function readHistory(choice: Choice, limit: number, cursor: string | null): Promise<HistoryPage> {
  const query = queryOf(choice);
  query.set("limit", String(limit));
  if (cursor) query.set("cursor", cursor);
  return ask("GET", `/api/positions/history?${query}`);
}

const nameOf = (choice: Choice) =>
  choice.period === "days" ? [choice.from || "beginning", choice.to || "today"].join("-to-") : choice.period;

export const saveHistory = (choice: Choice) =>
  download(`/api/positions/history.csv?${queryOf(choice)}`, `tandem-history-${nameOf(choice)}.csv`);

export const saveReport = (choice: Choice) =>
  download(`/api/performance/report.pdf?${queryOf(choice)}`, `tandem-report-${nameOf(choice)}.pdf`);
