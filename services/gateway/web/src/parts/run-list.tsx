/** How accounts were reconciled, the latest first. */
import type { FinishedRun, Scope } from "../api/reconciliation";
import { capital, exchangeName, formatInstant, readable, words } from "../format";
import { tellDone } from "../live/sentences";
import type { Pages } from "../load";
import { REACHABLE } from "./reachable";
import { Failure, Loading, More } from "./states";

const TONES: Record<string, string> = { in_step: "good", pending: "doubt", failed: "bad" };

interface Props {
  runs: Pages<FinishedRun>;
  scope: Scope;
  choose: (scope: Scope) => void;
}

export function RunList({ runs, scope, choose }: Props) {
  return (
    <section class="panel feed-list runs" aria-label="Runs">
      <header class="exchange-head">
        <h2>Runs</h2>
        <span class="muted">the latest first</span>
      </header>
      {runs.error !== null && <Failure error={runs.error} retry={runs.reload} />}
      {runs.loading && !runs.rows && runs.error === null && <Loading what="runs" rows={3} />}
      {runs.rows?.length === 0 && <p class="muted pad">None has finished yet.</p>}
      {runs.rows && runs.rows.length > 0 && (
        <ol {...REACHABLE}>
          {runs.rows.map((one) => (
            <li key={one.runId}>
              <time class="figure" dateTime={one.finishedAt ?? undefined}>
                {formatInstant(one.finishedAt)}
              </time>
              <div>
                <p>
                  {exchangeName(one.exchange)}
                  {one.userId && (
                    <>
                      {" of "}
                      <button
                        type="button"
                        class="plain link"
                        title={`Account ${one.accountId}`}
                        onClick={() => choose({ ...scope, account: one.accountId })}
                      >
                        {one.userId}
                      </button>
                    </>
                  )}
                  {` · ${tellTrigger(one)}`}
                </p>
                <b>{capital(tellOutcome(one))}</b>
                {one.reason && <p class="evidence clamped">{readable(one.reason)}</p>}
              </div>
              <span class={`token ${TONES[one.result] ?? "idle"}`}>
                <span>{words(one.result)}</span>
              </span>
            </li>
          ))}
        </ol>
      )}
      <More pages={runs} />
    </section>
  );
}

function tellOutcome(run: FinishedRun): string {
  const waiting = Number(run.pending) > 0 ? `${run.pending} not decided` : "";
  const told = [tellDone(run), waiting].filter(Boolean).join(", ");
  return told || (run.result === "failed" ? "nothing could be read" : "nothing to do");
}

const TRIGGERS: Record<string, string> = { schedule: "on schedule", request: "asked for", prompt: "something moved" };

const tellTrigger = (run: FinishedRun): string => {
  const took = run.startedAt && run.finishedAt ? Date.parse(run.finishedAt) - Date.parse(run.startedAt) : null;
  const why = TRIGGERS[run.trigger ?? ""] ?? words(run.trigger ?? "unknown");
  return took === null ? why : `${why}, in ${took} ms`;
};
