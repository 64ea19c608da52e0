import { expect, it } from "vitest";
import {
  formatAmount,
  formatCountdown,
  formatDuration,
  formatInstant,
  formatPercent,
  formatPnl,
  formatPrice,
  readable,
  tone,
} from "./format";

it("shows a price with the places of its size, the same for a whole symbol", () => {
  expect(formatPrice("66000.1")).toBe("66,000.10");
  expect(formatPrice("0.000012345")).toBe("0.00001235");
  expect(formatPrice("999.9", "1000.1")).toBe("999.90");
  expect(formatPrice(null)).toBe("–");
});

it("shows a gain with its sign, and nothing as nothing", () => {
  expect(formatPnl("1234.5")).toBe("+1,234.50");
  expect(formatPnl("-0.004")).toBe("0.00");
  expect(formatPercent("-1.5")).toBe("\u22121.50\u00a0%");
  expect(formatAmount("-12")).toBe("\u221212.00");
  expect([tone("0.1"), tone("-0.1"), tone("0"), tone(null)]).toEqual(["gain", "loss", "even", "even"]);
});

it("counts time down and up", () => {
  expect(formatCountdown(247_000)).toBe("4:07");
  expect(formatCountdown(-1)).toBe("0:00");
  expect(formatDuration(3 * 86_400_000 + 4 * 3_600_000)).toBe("3d 4h");
  expect(formatDuration(40_000)).toBe("40s");
});

it("tells evidence in the reader's own time", () => {
  const instant = "2026-11-21T18:35:13.320Z";
  expect(readable(`the reading of ${instant} does not list it; that of ${instant} neither`)).toBe(
    `The reading of ${formatInstant(instant)} does not list it; that of ${formatInstant(instant)} neither`,
  );
});
