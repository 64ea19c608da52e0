import { expect, it } from "vitest";
import { ApiError } from "./client";

const refused = (status: number, code: string) => new ApiError(status, code, "");

it("holds a write for done only where it was said, and for refused only where nothing was done", () => {
  const unsure = [
    refused(0, "UNREACHABLE"),
    refused(429, "RATE_LIMITED"),
    refused(500, "INTERNAL"),
    refused(503, "OPEN_UNRESOLVED"),
    // The first one under this key is still being done: a new key would do it a second time.
    refused(409, "IDEMPOTENCY_KEY_IN_USE"),
  ];
  expect(unsure.map((one) => one.unsure)).toEqual(unsure.map(() => true));
  expect(refused(409, "SLOT_TAKEN").unsure).toBe(false);
  expect(refused(422, "VALIDATION_FAILED").unsure).toBe(false);
});
