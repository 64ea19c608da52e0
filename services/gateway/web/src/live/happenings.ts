/** The feed of what happened, and whoever has to know of a fact besides. */
import { useEffect, useRef } from "preact/hooks";
import type { Evaluation } from "../api/advisor";
import type { Triggered } from "../api/alerts";
import type { ExecutionPush } from "../api/executions";
import type { Push, Run } from "../api/types";
import { notify } from "../notices";
import { Store } from "../store";
import {
  type Doubt,
  type Told,
  tellDoubt,
  tellEvaluation,
  tellGuard,
  tellRun,
  tellStep,
  tellTriggered,
} from "./sentences";

export interface Happened extends Told {
  id: string;
  at: string;
  positionId: string | null;
  /** The page that tells more. */
  to: string | null;
}

export const LONGEST_FEED = 80;
export const happenings = new Store<readonly Happened[]>([]);

const listeners = new Set<(push: Push) => void>();

/** Tell whoever shows something that a fact is about. */
export function announce(push: Push): void {
  for (const listener of [...listeners]) listener(push);
}

/** Call with each fact of these kinds, and when everything has to be read anew, for as long as the component lives. */
export function useFacts(kinds: readonly string[], hear: (push: Push) => void): void {
  const heard = useRef(hear);
  heard.current = hear;
  const wanted = kinds.join(" ");
  useEffect(() => {
    const names = new Set(wanted.split(" "));
    const listener = (push: Push) => {
      if (names.has(push.type) || push.type === "resync_required") heard.current(push);
    };
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }, [wanted]);
}

interface Line {
  told: Told | null;
  positionId: string | null;
  to: string | null;
}

const at = (positionId: string | null) => (positionId ? `/positions/${positionId}` : null);

/** A fact as a line of the feed; null where it is of a kind that is not told. */
export function lineOf(push: Push): Line | null {
  switch (push.type) {
    case "alert_triggered": {
      const one = push.data as Triggered;
      return { told: tellTriggered(one), positionId: one.positionId, to: at(one.positionId) ?? "/alerts" };
    }
    case "position_evaluated": {
      const one = push.data as Evaluation;
      return { told: tellEvaluation(one), positionId: one.positionId, to: at(one.positionId) };
    }
    case "execution_updated": {
      const one = push.data as ExecutionPush;
      const { id, positionId } = one.execution;
      return { told: tellStep(one), positionId, to: `/executions/${id}` };
    }
    case "reconciliation_finished":
      return { told: tellRun(push.data as Run), positionId: null, to: null };
    case "reconciliation_suspicious":
      return { told: tellDoubt(push.data as Doubt), positionId: null, to: null };
    case "guard_changed":
      return { told: tellGuard(push.data as { guarded: boolean; reason: string | null }), positionId: null, to: null };
    default:
      return null;
  }
}

/** Put a fact that is not a position's own into the feed; an alert also comes up wherever one is. */
export function tellHappening(push: Push): void {
  const line = lineOf(push);
  if (!line?.told) return;
  const { told, positionId, to } = line;
  const when = ("timestamp" in push && push.timestamp) || new Date().toISOString();
  const id = ("sequence" in push && push.sequence) || `${push.type}${when}`;
  happenings.change((all) => [{ ...told, id, at: when, positionId, to }, ...all].slice(0, LONGEST_FEED));
  if (push.type === "alert_triggered") notify(`${told.title}. ${told.detail}`, "alert");
}
