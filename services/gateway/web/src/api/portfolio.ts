/** What is at stake over all accounts. */
import type { Decimal } from "../decimal";
import { ask } from "./client";

export interface Stake {
  positions: string;
  exposure: Decimal;
  netExposure: Decimal;
  margin: Decimal;
  pnl: Decimal;
  /** Positions that the figures lack because the venue does not say. */
  unpriced: string;
  unmargined: string;
}

export interface Portfolio {
  total: Stake;
  byExchange: Record<string, Stake>;
  bySymbol: Record<string, Stake>;
  bySide: Record<string, Stake>;
}

export const readPortfolio = async () => (await ask<{ portfolio: Portfolio }>("GET", "/api/portfolio")).portfolio;
