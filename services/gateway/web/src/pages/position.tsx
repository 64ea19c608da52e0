/** One position as a whole: what it is, what became of it, and why. */
import { useEffect } from "preact/hooks";
import { readPosition } from "../api/routes";
import { type Moment, readTimeline } from "../api/timeline";
import type { Position } from "../api/types";
import {
  capital,
  exchangeName,
  formatAmount,
  formatDuration,
  formatInstant,
  formatMoment,
  formatPnl,
  formatPrice,
  formatQuantity,
  readable,
  UNKNOWN,
  words,
} from "../format";
import { happenings } from "../live/happenings";
import { operations } from "../live/positions";
import { tellLevel } from "../live/sentences";
import { useLoad } from "../load";
import { Evaluations } from "../parts/evaluations";
import { Facts } from "../parts/facts";
import { Pnl } from "../parts/figures";
import { Icon } from "../parts/icons";
import { PositionPanel } from "../parts/position-panel";
import { REACHABLE } from "../parts/reachable";
import { Empty, Failure, Loading } from "../parts/states";
import { Transactions } from "../parts/transactions";
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
            <Provenance position={position} />
            <Transactions id={id} version={position.version} />
          </div>
          <div>
            <Timeline position={position} told={timeline.value} error={timeline.error} />
            <Evaluations id={id} symbol={position.symbol} open={open} />
          </div>
        </div>
      )}
    </>
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
          ["Fee", exit.fee === null ? UNKNOWN : formatAmount(exit.fee, 4)],
          ...(position.funding && Number(position.funding) !== 0
            ? ([["Funding", formatPnl(position.funding)]] as [string, string][])
            : []),
          ...(position.commission
            ? ([["Commission", `${formatAmount(position.commission)} (${position.plan})`]] as [string, string][])
            : []),
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

/** What a flow or an AI said when it was opened. */
function Provenance({ position }: { position: Position }) {
  const { entry } = position;
  const conditions = Object.entries(entry?.marketConditions ?? {});
  if (!position.flowId && !position.agent && !entry?.aiReasoning) return null;
  const confidence = entry?.aiConfidence == null ? null : `${Math.round(Number(entry.aiConfidence) * 100)} % sure`;
  return (
    <section class="panel" aria-label="Why it was opened">
      <header class="exchange-head">
        <h2>Why it was opened</h2>
        {position.executionId && <Link to={`/executions/${position.executionId}`}>Execution</Link>}
      </header>
      {entry?.aiReasoning && (
        <p class="pad">
          “{entry.aiReasoning}” <span class="muted">{confidence}</span>
        </p>
      )}
      <Facts
        facts={[
          ["Flow", position.flowId ?? UNKNOWN],
          ["Node", position.nodeId ?? UNKNOWN],
          ["Agent", position.agent ?? UNKNOWN],
          ...conditions.map(
            ([name, value]) =>
              [capital(words(name)), typeof value === "object" ? JSON.stringify(value) : String(value)] as [
                string,
                string,
              ],
          ),
        ]}
      />
    </section>
  );
}

interface Told {
  at: string | null;
  title: string;
  /** In whole sentences, the reason first. */
  why: string[];
  facts: [string, string][];
}

/** What the gateway's timeline says. */
function tell(one: Moment, before: Moment | undefined, position: Position): Told {
  const facts: [string, string][] = [["by", words(one.actor)]];
  for (const [name, level] of [
    ["stop", "stopLoss"],
    ["target", "takeProfit"],
  ] as const) {
    const now = tellLevel(one[level]);
    // What stayed as it was is not told again.
    if (!before || tellLevel(before[level]) !== now) facts.push([name, now]);
  }
  // Which of the two was set is what one looks for.
  const set = one.change === "level_set" ? facts.slice(1).map(([name]) => name) : [];
  const change = set.length === 1 ? `${set[0]} set` : words(one.change);
  const ended = one.change === "closed" && position.exit ? `: ${words(position.exit.reason)}` : "";
  return {
    at: one.timestamp,
    title: `${capital(change)}${ended}`,
    why: [one.reason, one.evidence].filter((text): text is string => !!text),
    facts,
  };
}

/** What the position itself tells, where the gateway has no timeline. */
function tellItself(position: Position): Told[] {
  const known: Told[] = [];
  const exit = position.exit;
  if (exit) {
    const facts: [string, string][] = [["at", formatPrice(exit.price, position.entryPrice)]];
    if (exit.cause && exit.cause !== exit.reason) facts.push(["cause", words(exit.cause)]);
    known.push({ at: exit.executedAt, title: `Closed: ${words(exit.reason)}`, why: [], facts });
  }
  const levels = [
    ["Stop", position.stopLoss],
    ["Target", position.takeProfit],
  ] as const;
  for (const [name, level] of levels) {
    if (!level.armedAt) continue;
    const facts: [string, string][] = level.armedMark ? [["mark then", formatPrice(level.armedMark)]] : [];
    known.push({ at: level.armedAt, title: `${name} armed: ${tellLevel(level)}`, why: [], facts });
  }
  const external = position.origin === "external";
  known.push({
    at: position.openedAt,
    title: external ? "Opened at the exchange, adopted by Tandem" : `Opened: ${words(position.origin)}`,
    why: [],
    facts: [["at", formatPrice(position.entryPrice)]],
  });
  return known;
}

function Timeline({ position, told, error }: { position: Position; told: Moment[] | null; error: unknown }) {
  const moments = (told ? told.map((one, place) => tell(one, told[place - 1], position)) : tellItself(position)).sort(
    (a, b) => ((a.at ?? "") < (b.at ?? "") ? 1 : -1),
  );
  return (
    <section class="panel" aria-label="Timeline">
      <header class="exchange-head">
        <h2>Timeline</h2>
        <span class="muted">version {position.version}</span>
      </header>
      {error !== null && <Failure error={error} />}
      <ol class="timeline long" {...REACHABLE}>
        {moments.map((one) => (
          <li key={`${one.at}${one.title}`}>
            <time class="figure muted">{formatInstant(one.at)}</time>
            <b>{one.title}</b>
            {one.why.map((text) => (
              <p class="why" key={text}>
                {readable(text)}
              </p>
            ))}
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
