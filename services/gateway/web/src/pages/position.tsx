/** One position as a whole: what it is, what became of it, and why. */
import type { ComponentChild } from "preact";
import { useEffect } from "preact/hooks";
import { readPosition } from "../api/routes";
import { type Moment, readTimeline } from "../api/timeline";
import type { Position } from "../api/types";
import {
  capital,
  exchangeName,
  formatDuration,
  formatMoment,
  formatPnl,
  formatPrice,
  formatQuantity,
  UNKNOWN,
  words,
} from "../format";
import { happenings, operations } from "../live/positions";
import { tellLevel } from "../live/sentences";
import { useLoad } from "../load";
import { Pnl } from "../parts/figures";
import { Icon } from "../parts/icons";
import { PositionPanel } from "../parts/position-panel";
import { Empty, Failure, Loading } from "../parts/states";
import { Link } from "../router";

export function PositionPage({ id }: { id: string }) {
  const detail = useLoad(id, () => readPosition(id));
  const timeline = useLoad(id, () => readTimeline(id));
  const shown = operations.use().shown.find((one) => one.row.id === id && !one.closed);
  const told = happenings.use().filter((one) => one.positionId === id).length;

  // biome-ignore lint/correctness/useExhaustiveDependencies: what happened to it is the reason
  useEffect(() => {
    if (told) {
      detail.reload();
      timeline.reload();
    }
  }, [told]);

  const position = detail.value?.position ?? null;
  const open = position?.status === "open";
  return (
    <>
      <header class="page-head">
        <Link to={open ? "/" : "/performance"} class="back" label="Back to the list">
          <Icon name="back" />
        </Link>
        <h1>{position ? `${position.symbol} ${position.side}` : "Position"}</h1>
        {position && <span class={open ? "badge live" : "badge"}>{open ? "Open" : "Closed"}</span>}
        <span class="muted figure id">{id}</span>
      </header>
      {detail.error !== null && !position && (
        <>
          <Failure error={detail.error} retry={detail.reload} />
          <Empty icon="operations" title="This position cannot be shown">
            <p>
              <Link to="/">See what is open</Link> or <Link to="/performance">what was closed</Link>.
            </p>
          </Empty>
        </>
      )}
      {detail.loading && !position && <Loading what="position" />}
      {position && (
        <div class="two-columns">
          <div>
            {shown && <PositionPanel shown={shown} alone />}
            {!open && <Ended position={position} />}
            {!shown && <Beginning position={position} />}
          </div>
          <Timeline position={position} told={timeline.value} error={timeline.error} />
        </div>
      )}
    </>
  );
}

function Facts({ facts }: { facts: [string, ComponentChild][] }) {
  return (
    <dl class="facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd class="figure">{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function Ended({ position }: { position: Position }) {
  const exit = position.exit;
  if (!exit) return null;
  return (
    <section class="panel position" aria-label="Exit">
      <header>
        <h2>
          {capital(words(exit.reason))}
          {exit.cause && exit.cause !== exit.reason && <small>{words(exit.cause)}</small>}
        </h2>
        <Pnl value={exit.pnl} percent={exit.pnlPercent} large />
      </header>
      {exit.estimated && (
        <p class="banner doubt">
          <Icon name="warning" />
          <span>No fills tell this exit yet: it is left out of the figures until they do.</span>
        </p>
      )}
      <Facts
        facts={[
          ["Exit price", formatPrice(exit.price, position.entryPrice)],
          ["Closed", formatMoment(exit.executedAt)],
          ["Size", exit.quantity === null ? UNKNOWN : formatQuantity(exit.quantity)],
          ["Fee", exit.fee === null ? UNKNOWN : formatPnl(exit.fee).replace("+", "")],
        ]}
      />
    </section>
  );
}

function Beginning({ position }: { position: Position }) {
  const end = position.exit?.executedAt;
  const held = end && position.openedAt ? formatDuration(Date.parse(end) - Date.parse(position.openedAt)) : UNKNOWN;
  return (
    <section class="panel position" aria-label="Entry and levels">
      <header>
        <h2>Entry and levels</h2>
      </header>
      <Facts
        facts={[
          ["Entry", formatPrice(position.entryPrice)],
          ["Opened", formatMoment(position.openedAt)],
          ["Size", formatQuantity(position.quantity)],
          ["Leverage", position.leverage === null ? UNKNOWN : `${position.leverage}×`],
          ["Exchange", exchangeName(position.exchange)],
          ["Origin", `${words(position.origin)}, ${position.managed ? "managed" : "observed"}`],
          ["Stop", tellLevel(position.stopLoss)],
          ["Target", tellLevel(position.takeProfit)],
          ["Held for", held],
        ]}
      />
    </section>
  );
}

interface Told {
  at: string | null;
  title: string;
  facts: [string, string][];
}

/** What the gateway's timeline says. */
function tell(one: Moment): Told {
  const facts: [string, string][] = [["by", words(one.actor)]];
  if (one.reason) facts.push(["why", one.reason]);
  if (one.evidence) facts.push(["evidence", one.evidence]);
  facts.push(["stop", tellLevel(one.stopLoss)], ["target", tellLevel(one.takeProfit)]);
  return { at: one.timestamp, title: capital(words(one.change)), facts };
}

/** What the position itself tells, where the gateway has no timeline. */
function tellItself(position: Position): Told[] {
  const known: Told[] = [];
  const exit = position.exit;
  if (exit) {
    const facts: [string, string][] = [["at", formatPrice(exit.price, position.entryPrice)]];
    if (exit.cause && exit.cause !== exit.reason) facts.push(["cause", words(exit.cause)]);
    known.push({ at: exit.executedAt, title: `Closed: ${words(exit.reason)}`, facts });
  }
  const levels = [
    ["Stop", position.stopLoss],
    ["Target", position.takeProfit],
  ] as const;
  for (const [name, level] of levels) {
    if (!level.armedAt) continue;
    const facts: [string, string][] = level.armedMark ? [["mark then", formatPrice(level.armedMark)]] : [];
    known.push({ at: level.armedAt, title: `${name} armed: ${tellLevel(level)}`, facts });
  }
  const external = position.origin === "external";
  known.push({
    at: position.openedAt,
    title: external ? "Opened at the exchange, adopted by Tandem" : `Opened: ${words(position.origin)}`,
    facts: [["at", formatPrice(position.entryPrice)]],
  });
  return known;
}

function Timeline({ position, told, error }: { position: Position; told: Moment[] | null; error: unknown }) {
  const moments = (told ? told.map(tell) : tellItself(position)).sort((a, b) => ((a.at ?? "") < (b.at ?? "") ? 1 : -1));
  return (
    <section class="panel" aria-label="Timeline">
      <header class="exchange-head">
        <h2>Timeline</h2>
        <span class="muted">version {position.version}</span>
      </header>
      {error !== null && <Failure error={error} />}
      <ol class="timeline">
        {moments.map((one) => (
          <li key={`${one.at}${one.title}`}>
            <time class="figure muted">{formatMoment(one.at)}</time>
            <b>{one.title}</b>
            <p>
              {one.facts.map(([name, value]) => (
                <span key={name}>
                  <span class="muted">{name}</span> <span class="figure">{value}</span>
                </span>
              ))}
            </p>
          </li>
        ))}
      </ol>
    </section>
  );
}
