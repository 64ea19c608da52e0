import { expect, it } from "vitest";
import type { EquityDay } from "./api/performance";
import type { Closed, Entry, Row } from "./api/types";
import { curveOf, equityOf, equityOfDays } from "./equity";
import {
  gainAt,
  outlookOfClose,
  refuseDistance,
  refuseLevel,
  refuseQuantity,
  shareOf,
  typedDistance,
  typedPrice,
  wayLeft,
} from "./outlook";

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
  const day = (day: string, cumulativePnl: string, drawdown: string) => ({ day, cumulativePnl, drawdown }) as EquityDay;
  const days = [day("2025-01-01", "0.1", "0"), day("2025-01-02", "-2.9", "3")];
  expect(equityOfDays(days).map((point) => point.drawdown)).toEqual(["0", "-3"]);
  expect(curveOf(days, [closed("2025-01-01", "0.1")], false)).toMatchObject({
    daily: false,
    points: [{ total: "0.1" }],
  });
  expect(curveOf(days, [closed("2025-01-01", "0.1")], true).daily).toBe(true);
});

it("reads a distance to trail at", () => {
  expect(typedDistance("1.5 %")).toBe("0.015");
  expect(typedDistance("1.5")).toBeNull();
  expect(refuseDistance("0.015")).toBeNull();
  expect(refuseDistance("1")).toContain("below 100 %");
});

it("says what closing a part would bring, with the fees at the rate that was paid at entry", () => {
  const row = { type: "SHORT", entryPrice: "100", currentPrice: "90", quantity: "2" } as Row;
  const entry = { fee: "0.08", totalValue: "200" } as Entry;
  expect(outlookOfClose(row, "0.5", entry)).toEqual({
    gain: "5",
    fee: "0.018",
    feePercent: "0.04",
    net: "4.962",
    left: "1.5",
  });
  expect(outlookOfClose(row, "2", null)).toEqual({ gain: "20", fee: null, feePercent: null, net: null, left: "0" });
  expect(outlookOfClose({ ...row, currentPrice: null }, "2", entry).gain).toBeNull();
});

it("takes shares of a quantity that a venue is likely to take, and never more than is held", () => {
  expect(shareOf("2", 25)).toBe("0.5");
  expect(shareOf("0.015", 50)).toBe("0.007");
  expect(shareOf("0.0001", 75)).toBe("0");
  expect(shareOf("0.10", 100)).toBe("0.10");
  expect(refuseQuantity({ quantity: "2" }, "2.0")).toBeNull();
  expect(refuseQuantity({ quantity: "2" }, "2.1")).toContain("2 only");
  expect(refuseQuantity({ quantity: "2" }, "0")).toContain("above 0");
});

it("tells the way that is left to the liquidation, on either side", () => {
  expect(wayLeft("66000", "58800")).toBe("10.91");
  expect(wayLeft("100", "120")).toBe("20");
  expect(wayLeft(null, "120")).toBeNull();
});
