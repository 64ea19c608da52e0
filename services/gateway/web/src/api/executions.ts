/** Executions of flows: each opens one position and waits for its end. */
import { ask } from "./client";
import type { Value } from "./json";
import type { Exit } from "./types";

export interface Execution {
  id: string;
  flowId: string;
  nodeId: string | null;
  accountId: string;
  exchange: string | null;
  symbol: string;
  side: "long" | "short";
  state: "opening" | "open" | "closing" | "closed" | "failed" | "unresolved";
  /** Why it failed, or what is not resolved. */
  reason: string | null;
  positionId: string | null;
  startedAt: string | null;
  endedAt: string | null;
  result: Exit | null;
  sequence: string;
}

export interface Update {
  sequence: string;
  timestamp: string | null;
  step: string;
  detail: string;
}

export interface Life {
  execution: Execution;
  updates: Update[];
}

/** What the WebSocket tells of a step. */
export interface ExecutionPush {
  update: Update;
  execution: Execution;
}

export interface ExecutionsPage {
  executions: Execution[];
  nextCursor: string | null;
}

const one = (id: string) => `/api/executions/${encodeURIComponent(id)}`;

export function readExecutions(running: boolean, flow: string, cursor: string | null): Promise<ExecutionsPage> {
  const query = new URLSearchParams({ limit: "50" });
  if (running) query.set("running", "true");
  if (flow) query.set("flow", flow);
  if (cursor) query.set("cursor", cursor);
  return ask("GET", `/api/executions?${query}`);
}

export const readExecution = (id: string) => ask<Life>("GET", one(id));

/** Open a position for a flow; its life is told over the WebSocket. */
export const startExecution = async (flow: string, body: Value, key: string) =>
  (
    await ask<{ execution: Execution }>("POST", `/api/flows/${encodeURIComponent(flow)}/executions`, {
      body,
      key,
      slow: true,
    })
  ).execution;

export const stopExecution = (id: string, key: string) =>
  ask<{ execution: Execution }>("POST", `${one(id)}/stop`, { key, slow: true });

/** Whether it still goes on: an unresolved one waits for a word of the venue. */
export const goesOn = (execution: Execution): boolean => execution.endedAt === null && execution.state !== "failed";

/** The life with a pushed step added; as it was where the step is known already. */
export function withStep(life: Life, push: ExecutionPush): Life {
  if (life.updates.some((one) => one.sequence === push.update.sequence)) return life;
  const updates = [...life.updates, push.update].sort((a, b) => Number(a.sequence) - Number(b.sequence));
  const newer = Number(push.execution.sequence) >= Number(life.execution.sequence);
  return { execution: newer ? push.execution : life.execution, updates };
}
