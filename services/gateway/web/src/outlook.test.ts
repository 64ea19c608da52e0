import { expect, it } from "vitest";
import type { Closed } from "./api/types";
import { deepest, equityOf } from "./equity";
import { gainAt, refuseDistance, refuseLevel, typedDistance, typedPrice } from "./outlook";

it("says what a level would bring", () => {
  expect(gainAt({ type: "LONG", entryPrice: "100.1", quantity: "2" }, "99.1")).toBe("-2");
  expect(gainAt({ type: "SHORT", entryPrice: "100.1", quantity: "2" }, "99.1")).toBe("2");
});

it("refuses a level on the wrong side of the price", () => {
  const long = { type: "LONG", currentPrice: "100" } as const;
  expect(refuseLevel(long, "stop-loss", "99")).toBeNull();
  expect(refuseLevel(long, "stop-loss", "100")).toContain("below");
  expect(refuseLevel(long, "take-profit", "99")).toContain("above");
  expect(refuseLevel({ type: "SHORT", currentPrice: "100" }, "stop-loss", "99")).toContain("above");
  expect(refuseLevel(long, "stop-loss", "abc")).toContain("above 0");
  expect(typedPrice(" 64,000.5 ")).toBe("64000.5");
});

it("draws the equity of exact exits in order of time", () => {
  const closed = (closedAt: string, pnl: string | null, estimated = false) => ({ closedAt, pnl, estimated }) as Closed;
  const points = equityOf([
    closed("2025-01-03", "4"),
    closed("2025-01-01", "0.1"),
    closed("2025-01-02", "-3"),
    closed("2025-01-02", "9", true),
  ]);
  expect(points.map((point) => [point.total, point.drawdown])).toEqual([
    ["0.1", "0"],
    ["-2.9", "-3"],
    ["1.1", "0"],
  ]);
  expect(deepest(points)).toBe("-3");
  expect(deepest([])).toBeNull();
});

it("reads a distance to trail at", () => {
  expect(typedDistance("1.5 %")).toBe("0.015");
  expect(typedDistance("1.5")).toBeNull();
  expect(refuseDistance("0.015")).toBeNull();
  expect(refuseDistance("1")).toContain("below 100 %");
});
