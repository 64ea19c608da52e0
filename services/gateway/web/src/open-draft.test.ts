import { describe, expect, it } from "vitest";
import { ApiError } from "./api/client";
import { writeExact } from "./api/json";
import { bodyOfOpening, NEW_OPENING, type OpenDraft, outlookOfOpening, refuseOpening, wayTo } from "./open-draft";
import { explainOpening } from "./open-refusals";

const DRAFT: OpenDraft = { ...NEW_OPENING, flow: "trend", account: "a-1", symbol: " btcusdt ", size: "650" };
const written = (draft: OpenDraft, purpose: "flow" | "hand" = "hand") =>
  JSON.parse(writeExact(bodyOfOpening(draft, purpose)));

describe("the body of an opening", () => {
  it("states one size, digit by digit, and the levels that Tandem takes where nothing else is chosen", () => {
    expect(written(DRAFT)).toEqual({
      accountId: "a-1",
      symbol: "BTCUSDT",
      side: "long",
      notional: 650,
      stopLoss: { trailingDistance: 0.02 },
      takeProfit: { trailingDistance: 0.04 },
    });
    const exact = { ...DRAFT, sizeWay: "quantity", size: "0.012345678901234567" } as const;
    expect(writeExact(bodyOfOpening(exact, "hand"))).toContain('"quantity":0.012345678901234567');
  });

  it("states prices, none, leverage and risk as they were typed", () => {
    const draft: OpenDraft = {
      ...DRAFT,
      side: "short",
      sizeWay: "risk",
      size: "1.5 %",
      leverage: "10x",
      stop: { way: "price", text: "66,500.50" },
      target: { way: "none", text: "" },
      node: " entry ",
    };
    expect(written(draft, "flow")).toEqual({
      accountId: "a-1",
      symbol: "BTCUSDT",
      side: "short",
      riskPercent: 1.5,
      leverage: 10,
      nodeId: "entry",
      stopLoss: { price: 66500.5 },
      takeProfit: { price: null },
    });
    expect(written(draft, "hand")).not.toHaveProperty("nodeId");
  });
});

describe("what is refused before anything is sent", () => {
  const refused = (change: Partial<OpenDraft>, price: string | null = "65000", purpose: "flow" | "hand" = "flow") =>
    refuseOpening({ ...DRAFT, ...change }, purpose, price);

  it("lets through what is whole", () => {
    expect(refused({})).toEqual({});
    expect(refused({ flow: "" }, null, "hand")).toEqual({});
  });

  it("names what is missing or unreadable", () => {
    const nothing = refused({ flow: " ", account: "", symbol: "", size: "", stop: { way: "trail", text: "" } });
    expect(Object.keys(nothing).sort()).toEqual(["account", "flow", "size", "stop", "symbol"]);
    for (const flow of ["two words", "a/b", ".."]) expect(refused({ flow }).flow).toContain("one word");
    for (const size of ["-1", "0", "1e3", "abc"]) expect(refused({ size }).size).toContain("above 0");
    for (const leverage of ["0", "2.5", "x", "5000"]) expect(refused({ leverage }).leverage).toContain("whole number");
    expect(refused({ leverage: "20×" })).toEqual({});
  });

  it("wants a stop for a risk, and no more risk than there is", () => {
    expect(refused({ sizeWay: "risk", size: "101" }).size).toContain("100 %");
    expect(refused({ sizeWay: "risk", size: "1", stop: { way: "none", text: "" } }).size).toContain("needs a stop");
    expect(refused({ sizeWay: "risk", size: "1" })).toEqual({});
  });

  it("knows on which side of the price a level lies, and of the other level where there is no price", () => {
    const stop = { way: "price", text: "65100" } as const;
    expect(refused({ stop }).stop).toContain("below the price");
    expect(refused({ stop, side: "short" })).toEqual({});
    expect(refused({ stop }, null)).toEqual({});
    expect(refused({ stop, target: { way: "price", text: "65000" } }, null).target).toContain("above its stop");
    expect(refused({ stop: { way: "trail", text: "100" } }).stop).toContain("below 100 %");
  });
});

it("says what an opening would come to at the present price", () => {
  const outlook = outlookOfOpening({ ...DRAFT, leverage: "10", target: { way: "price", text: "70000" } }, "65000");
  expect(outlook).toEqual({
    quantity: "0.01",
    notional: "650",
    margin: "65",
    stop: "63700",
    target: "70000",
    atStop: "-13",
    atTarget: "50",
  });
  const short = outlookOfOpening({ ...DRAFT, side: "short", sizeWay: "quantity", size: "2" }, "100");
  expect(short).toMatchObject({ notional: "200", stop: "102", atStop: "-4", target: "96", atTarget: "8" });
  const blind = outlookOfOpening({ ...DRAFT, stop: { way: "price", text: "60000" } }, null);
  expect(blind).toMatchObject({ quantity: null, notional: "650", stop: "60000", atStop: null, target: null });
  expect(outlookOfOpening({ ...DRAFT, sizeWay: "risk", size: "1" }, "100").quantity).toBeNull();
  expect([wayTo("98", "100"), wayTo("103", "100"), wayTo("98", null)]).toEqual(["2", "3", null]);
});

describe("a refusal by the gateway", () => {
  const heard = (status: number, code: string, message: string, field?: string) =>
    explainOpening(new ApiError(status, code, message, field), false);

  it("is led to the field that is to blame", () => {
    expect(heard(422, "VALIDATION_FAILED", "leverage: 200 is above 125, the most", "leverage")).toMatchObject({
      text: "200 is above 125, the most",
      field: "leverage",
      unsure: false,
    });
    expect(heard(422, "VALIDATION_FAILED", "risk_percent: comes to 0", "risk_percent").field).toBe("size");
    expect(heard(422, "VALIDATION_FAILED", "stopLoss.price: required", "stopLoss.price").field).toBe("stop");
    expect(heard(409, "INSUFFICIENT_MARGIN", "takes 10")).toMatchObject({ field: "size" });
    expect(heard(409, "LEVEL_ALREADY_CROSSED", "past the take-profit at 1").field).toBe("target");
    expect(heard(409, "OPENING_PAUSED", "paused").advice).toContain("Settings");
  });

  it("leaves no doubt where nothing was sent, and says so where it may have been", () => {
    expect(heard(503, "PRICE_UNAVAILABLE", "no price").unsure).toBe(false);
    expect(heard(503, "OPEN_UNRESOLVED", "not known").unsure).toBe(true);
    expect(heard(0, "UNREACHABLE", "gone").unsure).toBe(true);
    // What was in doubt stays so: a limit that is hit by asking again says nothing of the first request.
    expect(explainOpening(new ApiError(429, "RATE_LIMITED", "too many"), true).unsure).toBe(true);
    expect(explainOpening(new ApiError(409, "OPEN_REJECTED", "no"), true).unsure).toBe(false);
  });
});
