import { describe, expect, it } from "vitest";
import { add, compare, fixed, isDecimal, multiply, negate, sign, subtract, sum } from "./decimal";

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
  it("refuse what is none", () => {
    expect(isDecimal("12.")).toBe(false);
    expect(isDecimal("1e3")).toBe(false);
    expect(() => add("a", "1")).toThrow(RangeError);
  });
});
