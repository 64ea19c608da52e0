import { describe, expect, it } from "vitest";
import type { Level, Position, Row } from "../api/types";
import { allMarked, mergeClose, mergeLevels, mergeMark, mergeReading, type Shown } from "./marks";

const row = (id: string | null, pair = "BTCUSDT"): Row => ({
  id,
  pair,
  type: "LONG",
  entryPrice: "100",
  currentPrice: "101",
  quantity: "2",
  pnl: "2",
  pnlPercent: "1.00",
  status: "OPEN",
  stopLoss: "98",
  takeProfit: "104",
  dataSource: "exchange",
  inSync: true,
  exchange: "binance",
  managed: false,
  stopLossEnforced: false,
  takeProfitEnforced: false,
  guarded: false,
});
const level = (rule: Level["rule"], price: string | null, enforced = true): Level => ({
  rule,
  distance: rule === "trailing" ? "0.02" : null,
  price,
  enforced,
  armedAt: null,
  armedMark: null,
});
const position = (id: string, stop: Level): Position =>
  ({
    id,
    quantity: "3",
    entryPrice: "100",
    managed: true,
    stopLoss: stop,
    takeProfit: level("trailing", null, false),
  }) as Position;
const shown = (...rows: Row[]): Shown[] => mergeReading([], rows);

describe("what is shown", () => {
  it("takes a mark, and keeps what the mark does not tell", () => {
    const [first] = mergeMark(shown(row("a"), row("b", "ETHUSDT")), {
      id: "a",
      currentPrice: "102",
      pnl: "4",
      stopLoss: null,
    });
    expect(first?.row).toMatchObject({ currentPrice: "102", pnl: "4", pnlPercent: "1.00", stopLoss: "98" });
  });
  it("never goes back from a mark to a reading that is older, unless the position is another one now", () => {
    const marked = mergeMark(shown(row("a")), { id: "a", currentPrice: "103", pnl: "6", pnlPercent: "3.00" }, 10_000);
    const [soon] = mergeReading(marked, [row("a")], 12_000);
    expect(soon?.row).toMatchObject({ currentPrice: "103", pnl: "6", pnlPercent: "3.00" });
    const [later] = mergeReading(marked, [row("a")], 15_000);
    expect(later?.row.currentPrice).toBe("101");
    const [larger] = mergeReading(marked, [{ ...row("a"), quantity: "4", pnl: "4" }], 12_000);
    expect(larger?.row).toMatchObject({ currentPrice: "101", pnl: "4" });
  });

  it("knows whether prices are pushed for all that is open", () => {
    const one = mergeMark(shown(row("a"), row("b", "ETHUSDT")), { id: "a", currentPrice: "103" }, 10_000);
    expect(allMarked(one)).toBe(false);
    const both = mergeMark(one, { id: "b", currentPrice: "103" }, 10_000);
    expect(allMarked(both)).toBe(true);
    expect(allMarked(mergeReading(both, [row("a"), row("b", "ETHUSDT")], 90_000))).toBe(true);
    expect(allMarked(mergeReading(both, [row("a"), row("c", "SOLUSDT")], 90_000))).toBe(false);
  });

  it("is the same where a mark is about nothing that is open", () => {
    const before = shown(row("a"), row(null, "ETHUSDT"));
    expect(mergeMark(before, { id: "x", currentPrice: "1" })).toBe(before);
    expect(mergeMark(before, { currentPrice: "1" })).toBe(before);
    const closed = mergeClose(before, position("a", level("none", null)));
    expect(mergeMark(closed, { id: "a", currentPrice: "1" })).toBe(closed);
  });
  it("leaves a closed position in its place, whatever a reading says that was asked before", () => {
    const before = shown(row("a"), row("b", "ETHUSDT"), row("c", "SOLUSDT"));
    const closed = mergeClose(before, position("b", level("none", null)));
    const late = mergeReading(closed, [row("a"), row("b", "ETHUSDT"), row("c", "SOLUSDT")]);
    expect(late.map((one) => [one.key, one.closed !== null])).toEqual([
      ["a", false],
      ["b", true],
      ["c", false],
    ]);
    const next = mergeReading(late, [row("a"), row("c", "SOLUSDT"), row("d", "BNBUSDT")]);
    expect(next.map((one) => one.key)).toEqual(["a", "b", "c", "d"]);
  });
  it("shows a close also where a reading was quicker than the fact", () => {
    const gone = mergeReading(shown(row("a")), []);
    const closed = mergeClose(gone, position("a", level("none", null)));
    expect(closed.map((one) => [one.key, one.closed?.id])).toEqual([["a", "a"]]);
  });
  it("takes the rules of levels from the books, and trailing prices from the market", () => {
    const [pinned] = mergeLevels(shown(row("a")), position("a", level("pinned", "99")));
    expect(pinned?.row).toMatchObject({ stopLoss: "99", stopLossEnforced: true, takeProfit: "104", quantity: "3" });
    const [none] = mergeLevels(shown(row("a")), position("a", level("none", null, false)));
    expect(none?.row.stopLoss).toBeNull();
  });
});
