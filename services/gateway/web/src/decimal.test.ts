import { describe, expect, it } from "vitest";
import {
  add,
  compare,
  cut,
  divide,
  fixed,
  isDecimal,
  multiply,
  negate,
  placesOf,
  sign,
  subtract,
  sum,
} from "./decimal";

describe("decimals", () => {
  it("add what floats cannot", () => {
    expect(add("0.1", "0.2")).toBe("0.3");
    expect(sum(["1e-8", "0.00000001", "1E2"])).toBe("100.00000002");
    expect(subtract("9007199254740993", "0.000000000000000001")).toBe("9007199254740992.999999999999999999");
  });
  it("multiply and change sign", () => {
    expect(multiply("66000.1", "0.01")).toBe("660.001");
    expect(multiply("-2.50", "4")).toBe("-10");
    expect(negate("0")).toBe("0");
    expect(negate("-3.10")).toBe("3.1");
  });
  it("compare by value and not by text", () => {
    expect(compare("10", "9.99")).toBe(1);
    expect(compare("1.0", "1")).toBe(0);
    expect(sign("-0.000")).toBe(0);
  });
  it("round halves away from zero, and never write minus zero", () => {
    expect(fixed("1.005", 2)).toBe("1.01");
    expect(fixed("-1.005", 2)).toBe("-1.01");
    expect(fixed("-0.001", 2)).toBe("0.00");
    expect(fixed("12", 3)).toBe("12.000");
    expect(fixed("0.6", 0)).toBe("1");
  });
  it("divide to as many places as asked for, and never by zero", () => {
    expect(divide("1", "3", 4)).toBe("0.3333");
    expect(divide("-2", "3", 2)).toBe("-0.67");
    expect(divide("0.026", "65", 6)).toBe("0.0004");
    expect(divide("1", "0.00", 2)).toBeNull();
  });

  it("are cut without rounding", () => {
    expect(cut("0.0019999", 3)).toBe("0.001");
    expect(cut("-1.59", 1)).toBe("-1.5");
    expect(cut("12", 3)).toBe("12");
    expect(placesOf("0.0010")).toBe(4);
    expect(placesOf("12")).toBe(0);
  });

  it("refuse what is none", () => {
    expect(isDecimal("12.")).toBe(false);
    expect(isDecimal("1e3")).toBe(false);
    expect(() => add("a", "1")).toThrow(RangeError);
  });
});
