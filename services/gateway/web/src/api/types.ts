/** What the REST door and the WebSocket say. Figures are decimal texts (see json.ts), also counters. */
import type { Decimal } from "../decimal";

export interface Warning {
  accountId: string | null;
  exchange: string | null;
  code: string;
  message: string;
}

/** An open position as /api/positions/current gives it. `id` is null while it is not in the books. */
export interface Row {
  id: string | null;
  pair: string;
  type: "LONG" | "SHORT";
  entryPrice: Decimal;
  currentPrice: Decimal | null;
  quantity: Decimal;
  pnl: Decimal | null;
  pnlPercent: Decimal | null;
  status: string;
  stopLoss: Decimal | null;
  takeProfit: Decimal | null;
  dataSource: string;
  inSync: boolean;
  exchange: string;
  managed: boolean;
  stopLossEnforced: boolean;
  takeProfitEnforced: boolean;
  guarded: boolean;
}

export interface Current {
  positions: Row[];
  dataSource: string;
  timestamp: string;
  warnings?: Warning[];
}

export interface Level {
  rule: "trailing" | "pinned" | "none";
  distance: Decimal | null;
  price: Decimal | null;
  enforced: boolean;
  armedAt: string | null;
  armedMark: Decimal | null;
}

export interface Exit {
  price: Decimal | null;
  quantity: Decimal | null;
  fee: Decimal | null;
  pnl: Decimal | null;
  pnlPercent: Decimal | null;
  reason: string;
  cause: string | null;
  executedAt: string | null;
  estimated: boolean;
}

/** Standing advice to close; it closes nothing. */
export interface Advice {
  reason: string;
  urgency: string;
  /** 0 to 100. */
  confidence: Decimal | null;
  givenAt: string | null;
}

/** How a position was opened. */
export interface Entry {
  price: Decimal | null;
  size: Decimal | null;
  margin: Decimal | null;
  totalValue: Decimal | null;
  fee: Decimal | null;
  aiReasoning: string | null;
  aiConfidence: Decimal | null;
  marketConditions: Record<string, unknown> | null;
}

/** A position in the books. */
export interface Position {
  id: string;
  accountId: string;
  exchange: string;
  symbol: string;
  positionSide: string;
  side: "long" | "short";
  status: "open" | "closed";
  origin: string;
  managed: boolean;
  quantity: Decimal;
  entryPrice: Decimal;
  leverage: Decimal | null;
  openedAt: string | null;
  stopLoss: Level;
  takeProfit: Level;
  floor: Decimal | null;
  exit: Exit | null;
  version: string;
  flowId?: string | null;
  nodeId?: string | null;
  executionId?: string | null;
  agent?: string | null;
  entry?: Entry | null;
  aiManagement?: { shouldClose?: Advice | null } | null;
  realizedPnl?: Decimal | null;
  funding?: Decimal | null;
  plan?: string | null;
  commissionPercent?: Decimal | null;
  commission?: Decimal | null;
  triggerPrice?: string;
}

/** What the venue says of it now. */
export interface Live {
  currentPrice: Decimal | null;
  pnl: Decimal | null;
  pnlPercent: Decimal | null;
  stopLoss: Decimal | null;
  takeProfit: Decimal | null;
  leverage: Decimal | null;
  liquidationPrice: Decimal | null;
  notional?: Decimal | null;
  margin?: Decimal | null;
  /** The account's maintenance margin as a fraction of its equity: 1 is liquidation. */
  marginLevel?: Decimal | null;
  riskLevel?: string | null;
  inSync: boolean;
  outOfSyncReasons?: string[];
  guarded: boolean;
  unguardedReason: string | null;
  dataSource: string;
  plan?: string | null;
  commission?: Decimal | null;
  triggerPrice?: string;
  shouldClose?: Advice | null;
}

export interface Detail {
  position: Position;
  live: Live | null;
  warnings?: Warning[];
}

/** A closed position, flat. */
export interface Closed {
  id: string;
  pair: string;
  type: "LONG" | "SHORT";
  exchange: string;
  entryPrice: Decimal;
  exitPrice: Decimal | null;
  quantity: Decimal;
  pnl: Decimal | null;
  pnlPercent: Decimal | null;
  fee: Decimal | null;
  exitReason: string;
  exitCause: string | null;
  openedAt: string | null;
  closedAt: string | null;
  estimated: boolean;
  managed: boolean;
}

export interface HistoryPage {
  positions: Closed[];
  nextCursor: string | null;
}

export interface Analytics {
  totalTrades: string;
  winningTrades: string;
  losingTrades: string;
  winRate: Decimal | null;
  totalPnl: Decimal | null;
  averagePnl: Decimal | null;
  bestTrade: Decimal | null;
  worstTrade: Decimal | null;
  estimatedExits: string;
  profitFactor?: Decimal | null;
  expectancy?: Decimal | null;
  averageHoldSeconds?: Decimal | null;
  fees?: Decimal | null;
  longestWinningStreak?: string;
  longestLosingStreak?: string;
  maxDrawdown?: { amount: Decimal; percent: Decimal | null; regainedAt: string | null } | null;
  sharpeRatio?: Decimal | null;
  sortinoRatio?: Decimal | null;
  calmarRatio?: Decimal | null;
  equityDays?: string;
}

export interface Run {
  accountId: string;
  exchange: string;
  result: string;
  adopted: string;
  closed: string;
  adjusted: string;
  pending: string;
  completed?: string;
  reason: string | null;
}

export interface Sync {
  inSync: boolean;
  runs: Run[];
}

export interface AccountSchedule {
  accountId: string;
  exchange: string;
  lastResult: string | null;
  lastReason?: string | null;
  failures: string;
  lastRun: string | null;
  nextRun: string | null;
  suspiciousSince?: string | null;
  pendingAbsences?: string;
  estimatedExits?: string;
}

export interface Schedule {
  isRunning: boolean;
  interval: string;
  lastRun: string | null;
  nextRun: string | null;
  lastResult?: string | null;
  accounts?: AccountSchedule[];
}

export interface Key {
  id: string;
  exchange: string;
  name: string;
  apiKey: string;
  verified: boolean;
  tradingEnabled: boolean;
  createdAt: string | null;
  verifiedAt: string | null;
  canTrade?: boolean;
  ipRestricted?: boolean;
  autoManage?: boolean;
  triggerPrice?: string;
  refusal?: string | null;
}

export interface Status {
  api_version: string;
  status: string;
  services: Record<string, string>;
}

export interface Closing {
  positionId: string;
  exitPrice: Decimal | null;
  quantity: Decimal | null;
}

/** What changed of an open position, at most once a second. Fields that are absent or null did not change. */
export interface Mark {
  id?: string | null;
  positionId?: string | null;
  currentPrice?: Decimal | null;
  pnl?: Decimal | null;
  pnlPercent?: Decimal | null;
  stopLoss?: Decimal | null;
  takeProfit?: Decimal | null;
  guarded?: boolean | null;
  inSync?: boolean | null;
}

export type PositionFact =
  | "position_opened"
  | "position_closed"
  | "position_exit_completed"
  | "position_levels_changed";

export type Push =
  | { type: PositionFact; sequence: string; timestamp: string; data: Position }
  | { type: "position_marked"; sequence?: undefined; data: Mark }
  | { type: string; sequence?: string; timestamp?: string; data?: unknown };
