import { expect, it } from "vitest";
import { lineOf } from "../live/happenings";
import { careOf } from "./books";
import { type Execution, type ExecutionPush, withStep } from "./executions";
import { parseExact, writeExact } from "./json";
import { EVERYTHING, queryOf } from "./performance";
import type { Position, Push } from "./types";

// The bodies are those of the REST door's own documentation.
const EXECUTION = parseExact(
  `{"id":"c2a4e1f0","flowId":"trend-following","nodeId":"entry","accountId":"0b0f5a4e","exchange":"binance",
  "symbol":"BTCUSDT","side":"long","state":"open","reason":null,"positionId":"OP_1729425600_123",
  "startedAt":"2025-10-20T12:00:00.000Z","endedAt":null,"result":null,"sequence":2}`,
) as Execution;
const step = (sequence: string, state: Execution["state"]): ExecutionPush => ({
  update: { sequence, timestamp: "2025-10-20T12:00:01.000Z", step: "level_moved", detail: "the stop is at 65200" },
  execution: { ...EXECUTION, state, sequence },
});
const push = (type: string, data: unknown): Push => ({ type, sequence: "7", timestamp: "2025-10-21T12:00:00Z", data });

it("adds pushed steps in order, each once, and never goes back to an older state", () => {
  const life = { execution: EXECUTION, updates: [] };
  const later = withStep(withStep(life, step("4", "closing")), step("3", "open"));
  expect(later.updates.map((one) => one.sequence)).toEqual(["3", "4"]);
  expect(later.execution.state).toBe("closing");
  expect(withStep(later, step("4", "open"))).toBe(later);
});

it("asks for a period, or for whole days of the reader's own", () => {
  expect(queryOf(EVERYTHING).toString()).toBe("period=30d");
  const days = queryOf({
    ...EVERYTHING,
    period: "days",
    from: "2025-10-20",
    to: "2025-10-21",
    symbol: " ethusdt",
    flow: "trend",
  });
  expect(days.has("period")).toBe(false);
  expect(days.get("symbol")).toBe("ETHUSDT");
  expect(days.get("flow")).toBe("trend");
  const length = Date.parse(days.get("to") ?? "") - Date.parse(days.get("from") ?? "");
  expect(length).toBe(48 * 3_600_000);
  expect(queryOf({ ...EVERYTHING, period: "days" }).toString()).toBe("period=all");
});

it("takes a position into care with the levels that it has", () => {
  const position = parseExact(
    `{"id":"OP_1","version":2,"stopLoss":{"rule":"pinned","price":64000.10,"distance":null},
    "takeProfit":{"rule":"trailing","distance":0.04,"price":null}}`,
  ) as Position;
  expect(writeExact(careOf(position))).toBe(
    '{"stopLoss":{"price":64000.10},"takeProfit":{"trailingDistance":0.04},"expectedVersion":2}',
  );
});

it("tells each kind of fact in words, and leads to the page that tells more", () => {
  const advice = { positionId: "OP_1", action: "move_stop", price: "65200", outcome: "acted", reason: "the range" };
  expect(lineOf(push("position_evaluated", advice))).toMatchObject({
    told: { title: "Advisor: stop to 65,200.00 (acted)", detail: "The range" },
    to: "/positions/OP_1",
  });
  expect(lineOf(push("position_evaluated", { ...advice, action: "hold" }))?.told).toBeNull();
  expect(lineOf(push("execution_updated", step("3", "open")))).toMatchObject({
    told: { title: "trend-following: level moved BTCUSDT long", detail: "The stop is at 65200" },
    to: "/executions/c2a4e1f0",
  });
  const run = { exchange: "binance", result: "in_step", adopted: "1", closed: "0", adjusted: "2", completed: "0" };
  expect(lineOf(push("reconciliation_finished", run))?.told?.detail).toBe("1 adopted, 2 adjusted");
  expect(lineOf(push("reconciliation_finished", { ...run, adopted: "0", adjusted: "0" }))?.told).toBeNull();
  const doubt = { exchange: "bybit", reason: "three positions seem gone", positionIds: [], ended: false };
  expect(lineOf(push("reconciliation_suspicious", doubt))?.told?.title).toBe("What Bybit says is in doubt");
  expect(lineOf(push("guard_changed", { guarded: false, reason: "the feed is stale" }))?.told?.detail).toBe(
    "The feed is stale",
  );
  expect(lineOf(push("position_marked", { id: "OP_1" }))).toBeNull();
});
