/** One execution of a flow, step by step, as it happens. */
import type { ComponentChild } from "preact";
import { useState } from "preact/hooks";
import { useAct } from "../act";
import { type ExecutionPush, goesOn, type Life, readExecution, stopExecution, withStep } from "../api/executions";
import {
  capital,
  exchangeName,
  formatDuration,
  formatInstant,
  formatMoment,
  formatPrice,
  formatQuantity,
  UNKNOWN,
  words,
} from "../format";
import { useFacts } from "../live/happenings";
import { operations } from "../live/positions";
import { useLoad, useNow } from "../load";
import { notify } from "../notices";
import { Facts } from "../parts/facts";
import { Pnl, Price } from "../parts/figures";
import { Icon } from "../parts/icons";
import { Ladder } from "../parts/ladder";
import { Empty, Failure, Loading } from "../parts/states";
import { Link } from "../router";
import { TONES } from "./executions";

export function ExecutionPage({ id }: { id: string }) {
  const read = useLoad(id, () => readExecution(id));
  const [steps, setSteps] = useState<readonly ExecutionPush[]>([]);
  useFacts(["execution_updated"], (push) => {
    const step = push.data as ExecutionPush | undefined;
    if (!step) read.reload();
    else if (step.execution.id === id) setSteps((all) => [...all, step]);
  });
  const life = read.value ? steps.reduce(withStep, read.value) : null;
  return (
    <>
      <header class="page-head">
        <Link to="/executions" class="back" label="Back to the executions">
          <Icon name="back" />
        </Link>
        <h1>{life ? life.execution.flowId : "Execution"}</h1>
        {life && <span class={goesOn(life.execution) ? "badge live" : "badge"}>{life.execution.state}</span>}
        <span class="muted figure id">{id}</span>
      </header>
      {read.error !== null && (
        <>
          <Failure error={read.error} retry={read.reload} />
          {!life && (
            <Empty icon="flows" title="This execution cannot be shown">
              <p>
                <Link to="/executions">See all executions</Link>
              </p>
            </Empty>
          )}
        </>
      )}
      {read.loading && !life && <Loading what="execution" />}
      {life && (
        <div class="two-columns">
          <Now life={life} changed={read.reload} />
          <section class="panel" aria-label="Steps">
            <header class="exchange-head">
              <h2>Steps</h2>
              <span class="muted">{life.updates.length}</span>
            </header>
            <ol class="timeline" aria-live="polite">
              {life.updates.map((one) => (
                <li key={one.sequence}>
                  <time class="figure muted">{formatInstant(one.timestamp)}</time>
                  <b>{capital(words(one.step))}</b>
                  <p>{one.detail}</p>
                </li>
              ))}
            </ol>
          </section>
        </div>
      )}
    </>
  );
}

function Now({ life, changed }: { life: Life; changed: () => void }) {
  const { execution } = life;
  const { result } = execution;
  const now = useNow();
  const live = operations.use().shown.find((one) => one.row.id === execution.positionId && !one.closed)?.row;
  const [asking, setAsking] = useState(false);
  const { busy, error, run } = useAct();
  const began = execution.startedAt ? Date.parse(execution.startedAt) : null;
  const ended = execution.endedAt ? Date.parse(execution.endedAt) : now;

  const stop = async () => {
    if (await run((key) => stopExecution(execution.id, key))) {
      notify(`${execution.flowId}: its position is being closed`);
      setAsking(false);
    }
    changed();
  };

  return (
    <section class="panel position" aria-label="Execution">
      <header>
        <h2>
          {execution.symbol} <span class={`side ${execution.side}`}>{execution.side}</span>
          <small>{execution.exchange ? exchangeName(execution.exchange) : ""}</small>
        </h2>
        {result ? (
          <Pnl value={result.pnl} percent={result.pnlPercent} large />
        ) : live ? (
          <Pnl value={live.pnl} percent={live.pnlPercent} large />
        ) : (
          <span class={`token ${TONES[execution.state]}`}>
            <span>{execution.state}</span>
          </span>
        )}
      </header>
      {execution.reason && (
        <p class="banner doubt inside">
          <Icon name="warning" />
          <span>{capital(execution.reason)}</span>
        </p>
      )}
      {live && (
        <div class="pad">
          <Ladder row={live} />
        </div>
      )}
      <Facts
        facts={[
          ["Flow", execution.flowId],
          ["Node", execution.nodeId ?? UNKNOWN],
          ["Began", formatMoment(execution.startedAt)],
          [goesOn(execution) ? "Runs for" : "Lasted", began === null ? UNKNOWN : formatDuration(ended - began)],
          ...(live
            ? ([
                ["Price", <Price key="price" value={live.currentPrice} like={live.entryPrice} />],
                ["Entry", formatPrice(live.entryPrice)],
                ["Size", formatQuantity(live.quantity)],
                ["Stop", formatPrice(live.stopLoss, live.entryPrice)],
                ["Target", formatPrice(live.takeProfit, live.entryPrice)],
                ["Guarded", live.guarded ? "yes" : "no"],
              ] as [string, ComponentChild][])
            : []),
          ...(result
            ? ([
                ["Exit", formatPrice(result.price)],
                ["Why", capital(words(result.reason))],
              ] as [string, string][])
            : []),
        ]}
      />
      {error && (
        <p class="says bad pad" role="alert">
          {error}
        </p>
      )}
      <footer class="actions">
        {execution.positionId && (
          <Link to={`/positions/${execution.positionId}`} class="button">
            Position
          </Link>
        )}
        {goesOn(execution) &&
          (asking ? (
            <>
              <button type="button" onClick={() => setAsking(false)} disabled={busy}>
                Let it run
              </button>
              <button type="button" class="danger" onClick={() => void stop()} disabled={busy}>
                {busy ? "Stopping…" : "Close its position and end it"}
              </button>
            </>
          ) : (
            <button type="button" class="danger" onClick={() => setAsking(true)}>
              Stop…
            </button>
          ))}
      </footer>
    </section>
  );
}
