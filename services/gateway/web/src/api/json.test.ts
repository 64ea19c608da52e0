import { expect, it } from "vitest";
import { Figure, parseExact, writeExact } from "./json";

it("keeps every number as it was written, also inside of what looks like one", () => {
  expect(parseExact('{"a":0.1000,"b":[-1e-8,12345678901234567890],"c":"7, \\"8\\" 9","d":null,"e":true}')).toEqual({
    a: "0.1000",
    b: ["-1e-8", "12345678901234567890"],
    c: '7, "8" 9',
    d: null,
    e: true,
  });
});

it("writes figures digit by digit", () => {
  expect(writeExact({ price: new Figure("64000.123456789012345678"), name: 'a"b', none: null })).toBe(
    '{"price":64000.123456789012345678,"name":"a\\"b","none":null}',
  );
  expect(() => new Figure("1,000")).toThrow(RangeError);
  expect(() => new Figure("01")).toThrow(RangeError);
});
