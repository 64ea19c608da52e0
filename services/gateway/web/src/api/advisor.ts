/** What the advisor thinks of positions, how far it may go, and the sentiment that it goes by. */
import type { Decimal } from "../decimal";
import { ask } from "./client";

export interface Evaluation {
  id: string;
  positionId: string;
  timestamp: string | null;
  action: "hold" | "move_stop" | "move_target" | "close";
  price: Decimal | null;
  reason: string;
  urgency: string;
  /** 0 to 100. */
  confidence: string;
  outcome: "held" | "acted" | "advised" | "withheld" | "failed";
  outcomeReason: string | null;
  advisor: string;
  fallbackReason: string | null;
  markPrice: Decimal | null;
  /** -1 to 1. */
  sentiment: Decimal | null;
  conditions: Record<string, unknown> | null;
  model: string | null;
  latencyMilliseconds: string | null;
  costUsd: Decimal | null;
}

export interface EvaluationsPage {
  evaluations: Evaluation[];
  nextCursor: string | null;
}

export type Mode = "off" | "advise" | "act";

export interface Advisor {
  mode: Mode;
  costTodayUsd: Decimal | null;
  budgetTodayUsd: Decimal | null;
  model: string | null;
}

export interface Sentiment {
  score: Decimal | null;
  sources: { name: string; score: Decimal; count: string; readAt: string | null }[];
  missing: Record<string, string>;
}

export function readEvaluations(id: string, cursor: string | null = null): Promise<EvaluationsPage> {
  const after = cursor ? `&cursor=${encodeURIComponent(cursor)}` : "";
  return ask("GET", `/api/positions/${encodeURIComponent(id)}/evaluations?limit=20${after}`);
}

export const readAdvisor = async () => (await ask<{ advisor: Advisor }>("GET", "/api/settings/advisor")).advisor;

export const setAdvisor = async (mode: Mode, key: string) =>
  (await ask<{ advisor: Advisor }>("PUT", "/api/settings/advisor", { body: { mode }, key })).advisor;

export const readSentiment = async (symbol: string) =>
  (await ask<{ sentiment: Sentiment | null }>("GET", `/api/sentiment/${encodeURIComponent(symbol)}`)).sentiment;
