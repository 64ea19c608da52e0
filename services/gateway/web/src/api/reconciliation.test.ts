import { expect, it } from "vitest";
import { type Discrepancy, type FinishedRun, missingOf } from "./reconciliation";

const run = (runId: string, result: string) => ({ runId, result }) as FinishedRun;
const found = (runId: string, positionId: string, change: Partial<Discrepancy> = {}): Discrepancy =>
  ({ runId, positionId, kind: "absent", repaired: false, decisions: [], ...change }) as Discrepancy;
const idsOf = (runs: FinishedRun[], all: Discrepancy[]) => missingOf(runs, all).map((one) => one.positionId);

it("takes what the newest run missed for what is missing", () => {
  const runs = [run("3", "pending"), run("2", "pending"), run("1", "pending")];
  expect(idsOf(runs, [found("3", "a"), found("2", "a"), found("2", "b")])).toEqual(["a"]);
  expect(idsOf(runs, [])).toEqual([]);
});

it("looks past runs that could not tell, and not past one that was in step", () => {
  const all = [found("1", "a"), found("1", "b")];
  expect(idsOf([run("3", "failed"), run("2", "pending"), run("1", "pending")], all)).toEqual(["a", "b"]);
  expect(idsOf([run("2", "in_step"), run("1", "pending")], all)).toEqual([]);
});

it("leaves out what was decided, and what is no absence", () => {
  const all = [
    found("1", "a", { decisions: ["close_estimated"] }),
    found("1", "b", { kind: "quantity_changed" }),
    found("1", "c", { repaired: true }),
    found("1", "d", { kind: "side_flipped" }),
  ];
  expect(idsOf([run("1", "pending")], all)).toEqual(["d"]);
});
