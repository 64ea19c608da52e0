/** What is open now, live. */
import { useState } from "preact/hooks";
import { ApiError, newKey } from "../api/client";
import { syncNow } from "../api/routes";
import { sum } from "../decimal";
import { capital, exchangeName, formatAmount, formatCountdown, formatTime, readable } from "../format";
import { happenings } from "../live/happenings";
import type { Shown } from "../live/marks";
import { keyless, operations, refresh } from "../live/positions";
import { useNow, useWide } from "../load";
import { notify } from "../notices";
import { notional } from "../outlook";
import { FeedBadge } from "../parts/feed-badge";
import { Pnl } from "../parts/figures";
import { Icon } from "../parts/icons";
import { OpenButton } from "../parts/open-button";
import { PositionPanel } from "../parts/position-panel";
import { PositionRow } from "../parts/position-row";
import { REACHABLE } from "../parts/reachable";
import { Empty, Failure, Loading, NoKeyYet } from "../parts/states";
import { Link } from "../router";

export function OperationsPage() {
  const state = operations.use();
  const wide = useWide("(min-width: 1100px)");
  const [chosen, setChosen] = useState<string | null>(null);
  const open = state.shown.filter((one) => !one.closed);
  // On a wide screen there is always one to look at; on a phone only what was asked for.
  const selected = open.find((one) => one.key === chosen) ?? (wide ? open[0] : undefined);
  const exchanges = [...new Set(state.shown.map((one) => one.row.exchange))];

  return (
    <>
      <header class="page-head">
        <h1>Operations</h1>
        <span class="badge live">Live</span>
        <FeedBadge />
        {!keyless(state) && (
          <>
            <Schedule />
            <OpenButton purpose="hand" opened={(position) => setChosen(position.id)}>
              Open position
            </OpenButton>
          </>
        )}
      </header>
      {state.error && !keyless(state) && <Failure error={state.error} retry={() => void refresh()} />}
      {state.warnings.map((warning) => (
        <div class="banner doubt" role="status" key={`${warning.accountId}${warning.code}`}>
          <Icon name="warning" />
          <p>
            {warning.exchange ? `${exchangeName(warning.exchange)}: ` : ""}
            {warning.message}
          </p>
        </div>
      ))}
      <Doubts />
      {!state.loaded && <Loading rows={5} what="open positions" />}
      {state.loaded && state.shown.length === 0 && (keyless(state) ? <NoKeyYet /> : !state.error && <NothingOpen />)}
      {state.shown.length > 0 && (
        <>
          <Summary open={open} />
          <div class="operations">
            <div class="lists">
              {exchanges.map((exchange) => (
                <section key={exchange} class="panel exchange" aria-label={exchangeName(exchange)}>
                  <ExchangeHead exchange={exchange} open={open} />
                  {state.shown
                    .filter((one) => one.row.exchange === exchange)
                    .map((one) => (
                      <div key={one.key} class="item">
                        <PositionRow
                          shown={one}
                          open={selected?.key === one.key}
                          choose={() => setChosen(selected?.key === one.key && !wide ? null : one.key)}
                        />
                        {!wide && selected?.key === one.key && <PositionPanel key={one.key} shown={one} />}
                      </div>
                    ))}
                </section>
              ))}
              {wide && <Happenings />}
            </div>
            <aside class="side-column">
              {wide && selected && <PositionPanel key={selected.key} shown={selected} />}
              {!wide && <Happenings />}
            </aside>
          </div>
        </>
      )}
      {state.loaded && state.shown.length === 0 && !keyless(state) && <Happenings />}
    </>
  );
}

/** Accounts of which the exchange's word is doubted, or that could not be read. */
function Doubts() {
  const accounts = operations.use().schedule?.accounts ?? [];
  return (
    <>
      {accounts
        .filter((one) => one.suspiciousSince || Number(one.failures) > 0)
        .map((one) => (
          <div class="banner doubt" role="status" key={one.accountId}>
            <Icon name="warning" />
            <p>
              <b>{exchangeName(one.exchange)}:</b>{" "}
              {one.suspiciousSince
                ? `what it says is in doubt since ${formatTime(one.suspiciousSince)}. Nothing is closed in the books on its word.`
                : `could not be reconciled ${Number(one.failures) === 1 ? "once" : `${one.failures} times running`}.`}{" "}
              {one.lastReason && readable(one.lastReason)}
            </p>
          </div>
        ))}
    </>
  );
}

function ExchangeHead({ exchange, open }: { exchange: string; open: readonly Shown[] }) {
  const rows = open.filter((one) => one.row.exchange === exchange).map((one) => one.row);
  return (
    <header class="exchange-head">
      <h2>{exchangeName(exchange)}</h2>
      <span class="muted">{rows.length} open</span>
      <Pnl value={sum(rows.map((row) => row.pnl ?? "0"))} />
    </header>
  );
}

function Summary({ open }: { open: readonly Shown[] }) {
  const rows = open.map((one) => one.row);
  const enforced = rows.filter((row) => row.stopLossEnforced || row.takeProfitEnforced);
  const guarded = rows.filter((row) => row.guarded).length;
  const uncovered = enforced.length > guarded;
  return (
    <dl class="tiles summary">
      <div class="tile">
        <dt>Open P&amp;L</dt>
        <dd>
          <Pnl value={sum(rows.map((row) => row.pnl ?? "0"))} large />
        </dd>
      </div>
      <div class="tile">
        <dt>Exposure</dt>
        <dd class="figure">
          {formatAmount(sum(rows.map(notional)), 0)} <small>USDT</small>
        </dd>
      </div>
      <div class="tile">
        <dt>Positions</dt>
        <dd class="figure">
          {rows.length}{" "}
          <small>
            {rows.filter((row) => row.type === "LONG").length} long, {rows.filter((row) => row.type === "SHORT").length}{" "}
            short
          </small>
        </dd>
      </div>
      <div class={uncovered ? "tile bad" : "tile"}>
        <dt>Guarded</dt>
        <dd class="figure">
          {guarded} <small>of {enforced.length} enforced</small>
        </dd>
      </div>
    </dl>
  );
}

function Schedule() {
  const { schedule, takenAt } = operations.use();
  const [busy, setBusy] = useState(false);
  const now = useNow();
  const due = schedule?.nextRun ? new Date(schedule.nextRun).getTime() - now : null;

  const run = async () => {
    setBusy(true);
    try {
      const done = await syncNow(newKey());
      const total = (name: "adopted" | "closed" | "adjusted") =>
        done.runs.reduce((count, one) => count + Number(one[name]), 0);
      const failed = done.runs.find((one) => one.result === "failed");
      if (failed)
        notify(
          `${exchangeName(failed.exchange)} could not be reconciled${failed.reason ? `: ${failed.reason}` : ""}`,
          "failed",
        );
      else {
        const changes = (["adopted", "closed", "adjusted"] as const)
          .filter((name) => total(name))
          .map((name) => `${total(name)} ${name}`);
        notify(
          done.inSync
            ? capital(`${changes.join(", ") || "nothing to do"}: in sync`)
            : "Waiting for a second reading to agree",
        );
      }
      await refresh();
    } catch (error) {
      notify(error instanceof ApiError ? error.message : String(error), "failed");
    } finally {
      setBusy(false);
    }
  };

  return (
    <div class="schedule">
      <span class="muted figure" title={schedule?.lastRun ? `Last run ${formatTime(schedule.lastRun)}` : undefined}>
        {takenAt && <span class="as-of">as of {formatTime(takenAt)} · </span>}
        next run {due === null ? "–" : due <= 0 ? "now" : `in ${formatCountdown(due)}`}
      </span>
      <button type="button" class="small" onClick={() => void run()} disabled={busy}>
        <Icon name="sync" size={15} /> {busy ? "Syncing…" : "Sync now"}
      </button>
    </div>
  );
}

function NothingOpen() {
  return (
    <Empty icon="operations" title="Nothing is open">
      <p>
        Positions appear here seconds after they are opened at an exchange whose key Tandem has. No key yet? Add one on{" "}
        <Link to="/keys">Keys</Link>.
      </p>
    </Empty>
  );
}

function Happenings() {
  const all = happenings.use();
  return (
    <section class="panel feed-list" aria-label="Events">
      <header class="exchange-head">
        <h2>Events</h2>
        <span class="muted">since you signed in</span>
      </header>
      {all.length === 0 ? (
        <p class="muted pad">Opens, closes, moved levels, alerts and advice are told here as they happen.</p>
      ) : (
        <ol aria-live="polite" {...REACHABLE}>
          {all.map((one) => (
            <li key={one.id} class={one.tone}>
              <time class="figure" dateTime={one.at}>
                {formatTime(one.at)}
              </time>
              <div>
                {one.to ? <Link to={one.to}>{one.title}</Link> : <b>{one.title}</b>}
                <p>{one.detail}</p>
              </div>
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}
