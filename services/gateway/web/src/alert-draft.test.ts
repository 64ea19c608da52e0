import { expect, it } from "vitest";
import { bodyOf, changesOf, draftOf, NEW_ALERT, refuseAlert, refuseThreshold } from "./alert-draft";
import type { Alert } from "./api/alerts";
import { parseExact, writeExact } from "./api/json";
import { tellAlert, tellTriggered } from "./live/sentences";

const written = (body: Parameters<typeof writeExact>[0]) => JSON.parse(writeExact(body));

// What the REST door's documentation shows, read as the dashboard reads it.
const ALERT = parseExact(
  `{"id":"3f6c1f0e","kind":"price_target","exchange":"binance","symbol":"BTCUSDT","positionId":null,"direction":"above",
  "threshold":70000,"repeating":false,"hysteresis":null,"webhook":true,"active":true,"note":"take some off",
  "createdAt":"2025-10-21T11:00:00.000Z","lastTriggeredAt":null,"timesTriggered":0,"version":1}`,
) as Alert;

it("asks for what a kind needs, and for nothing else", () => {
  const price = { ...NEW_ALERT, symbol: " btcusdt ", threshold: "70,000.50", note: " take some off " };
  expect(written(bodyOf(price))).toEqual({
    kind: "price_target",
    exchange: "binance",
    symbol: "BTCUSDT",
    direction: "above",
    threshold: 70000.5,
    repeating: false,
    webhook: false,
    note: "take some off",
  });
  expect(written(bodyOf({ ...price, kind: "position_closed", positionId: "OP_1" }))).toEqual({
    kind: "position_closed",
    positionId: "OP_1",
    repeating: false,
    webhook: false,
    note: "take some off",
  });
  const loss = { ...NEW_ALERT, kind: "profit_percent", direction: "below", threshold: "\u22125 %" } as const;
  expect(written(bodyOf(loss))).toMatchObject({ direction: "below", threshold: -5 });
  expect(written(bodyOf({ ...NEW_ALERT, kind: "feed_stale" }))).toEqual({
    kind: "feed_stale",
    repeating: false,
    webhook: false,
  });
});

it("says what is wrong before it is sent", () => {
  expect(refuseAlert({ ...NEW_ALERT, threshold: "1" })).toContain("symbol");
  expect(refuseAlert({ ...NEW_ALERT, symbol: "BTCUSDT", threshold: "x" })).toContain("number");
  expect(refuseThreshold("price_target", "-1")).toContain("above 0");
  expect(refuseThreshold("profit_amount", "-20")).toBeNull();
  expect(refuseThreshold("liquidation_near", "95")).toContain("90");
  expect(refuseThreshold("stop_moved", "")).toBeNull();
});

it("changes an alert at the version that was seen, and arms it", () => {
  const draft = { ...draftOf(ALERT), threshold: "71000", webhook: false };
  expect(written(changesOf(ALERT, draft))).toEqual({
    expectedVersion: 1,
    active: true,
    threshold: 71000,
    webhook: false,
  });
});

it("tells what it waits for, and what was told", () => {
  expect(tellAlert(ALERT)).toBe("BTCUSDT on Binance rises above 70,000.00");
  expect(tellAlert({ ...ALERT, kind: "profit_percent", symbol: null, exchange: null, threshold: "-5" })).toBe(
    "the profit of any position rises above \u22125.00\u00a0%",
  );
  expect(tellAlert({ ...ALERT, kind: "liquidation_near", symbol: null, exchange: null, threshold: "7.50" })).toBe(
    "any position comes within 7.5\u00a0% of its liquidation",
  );
  const told = tellTriggered({
    id: "1",
    timestamp: "2025-10-21T12:00:00.000Z",
    kind: "price_target",
    alertId: ALERT.id,
    note: "take some off",
    accountId: null,
    positionId: null,
    exchange: "binance",
    symbol: "BTCUSDT",
    price: "70010.5",
    levelPrice: "70000",
    reason: "the mark price reached 70000 from below",
  });
  expect(told.title).toBe("Price target: BTCUSDT on Binance");
  expect(told.detail).toBe("The mark price reached 70000 from below · “take some off”");
});
