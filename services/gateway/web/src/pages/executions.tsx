/** Executions of flows: each opens one position and waits for its end. */
import { useState } from "preact/hooks";
import { type Execution, type ExecutionPush, readExecutions } from "../api/executions";
import { exchangeName, formatDuration, formatMoment, words } from "../format";
import { useFacts } from "../live/happenings";
import { operations } from "../live/positions";
import { useNow, usePages } from "../load";
import { Pnl } from "../parts/figures";
import { OpenButton } from "../parts/open-button";
import { Empty, Failure, Loading, More } from "../parts/states";
import { Link, navigate } from "../router";

export const TONES: Record<Execution["state"], string> = {
  opening: "doubt",
  open: "good",
  closing: "doubt",
  closed: "idle",
  failed: "bad",
  unresolved: "bad",
};

export function ExecutionsPage() {
  const [running, setRunning] = useState(false);
  const [flow, setFlow] = useState("");
  const executions = usePages(`${running} ${flow}`, async (cursor) => {
    const page = await readExecutions(running, flow.trim(), cursor);
    return { rows: page.executions, nextCursor: page.nextCursor };
  });
  const [fresh, setFresh] = useState<ReadonlyMap<string, Execution>>(new Map());
  useFacts(["execution_updated"], (push) => {
    const execution = (push.data as ExecutionPush | undefined)?.execution;
    if (execution && executions.rows?.some((one) => one.id === execution.id)) {
      setFresh((known) => new Map(known).set(execution.id, execution));
    } else executions.reload();
  });
  const rows = executions.rows?.map((one) => {
    const pushed = fresh.get(one.id);
    return pushed && Number(pushed.sequence) > Number(one.sequence) ? pushed : one;
  });
  return (
    <>
      <header class="page-head">
        <h1>Executions</h1>
        <span class="badge live">Live</span>
        <fieldset class="segments">
          <legend class="hidden">Which</legend>
          {[false, true].map((one) => (
            <label key={String(one)}>
              <input type="radio" name="running" checked={running === one} onChange={() => setRunning(one)} />
              <span>{one ? "Running" : "All"}</span>
            </label>
          ))}
        </fieldset>
        <div class="filters">
          <input
            type="search"
            placeholder="Flow"
            aria-label="Flow"
            value={flow}
            onInput={(event) => setFlow(event.currentTarget.value)}
          />
        </div>
        <OpenButton
          purpose="flow"
          flows={rows?.map((one) => one.flowId) ?? []}
          symbols={rows?.map((one) => one.symbol) ?? []}
          started={(execution) => navigate(`/executions/${execution.id}`)}
        >
          Start execution
        </OpenButton>
      </header>
      {executions.error !== null && <Failure error={executions.error} retry={executions.reload} />}
      {executions.loading && !rows && <Loading rows={4} what="executions" />}
      {rows?.length === 0 && (
        <Empty icon="flows" title={running || flow ? "None fits" : "No flow has been executed yet"}>
          <p>
            {running || flow
              ? "Show all of them, or look for another flow."
              : "An execution opens one position and is followed to its end, step by step. Start one here, or let a flow do it over the REST door: "}
            {!running && !flow && <a href="/docs">/docs</a>}
          </p>
        </Empty>
      )}
      {rows && rows.length > 0 && (
        <section class="panel" aria-label="Executions of flows">
          <ul class="executions">
            {rows.map((one) => (
              <Line key={one.id} one={one} />
            ))}
          </ul>
          <More pages={executions} />
        </section>
      )}
    </>
  );
}

function Line({ one }: { one: Execution }) {
  const now = useNow();
  const live = operations.use().shown.find((row) => row.row.id === one.positionId && !row.closed)?.row;
  const began = one.startedAt ? Date.parse(one.startedAt) : null;
  const ended = one.endedAt ? Date.parse(one.endedAt) : now;
  return (
    <li>
      <div>
        <Link to={`/executions/${one.id}`}>{one.flowId}</Link>
        <small class="muted">
          {one.nodeId ? `${one.nodeId} · ` : ""}
          {formatMoment(one.startedAt)}
        </small>
      </div>
      <div>
        <b>
          {one.symbol} <span class={`side ${one.side}`}>{one.side}</span>
        </b>
        <small class="muted">{one.exchange ? exchangeName(one.exchange) : ""}</small>
      </div>
      <div>
        <span class={`token ${TONES[one.state]}`}>
          <span>{one.state}</span>
        </span>
        <small class="muted figure">{began === null ? "" : formatDuration(ended - began)}</small>
      </div>
      <div class="end">
        {one.result ? (
          <>
            <Pnl value={one.result.pnl} percent={one.result.pnlPercent} />
            <small class="muted">{words(one.result.reason)}</small>
          </>
        ) : (
          <>
            {live && <Pnl value={live.pnl} percent={live.pnlPercent} />}
            <small class="muted">{one.reason ?? (live ? "now" : "")}</small>
          </>
        )}
      </div>
    </li>
  );
}
