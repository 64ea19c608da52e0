/** One open position in full: chart, levels, marks with their reasons, and its end. */
import { useEffect, useState } from "preact/hooks";
import { type LevelKind, readPosition } from "../api/routes";
import type { Advice, Live, Position, Row } from "../api/types";
import type { Decimal } from "../decimal";
import { isDecimal } from "../decimal";
import {
  capital,
  exchangeName,
  formatAmount,
  formatDuration,
  formatPnl,
  formatPrice,
  formatQuantity,
  words,
} from "../format";
import type { Shown } from "../live/marks";
import { documents, noteDocument, operations, venueTurn } from "../live/positions";
import { useLoad } from "../load";
import { notional, typedPrice } from "../outlook";
import { Link } from "../router";
import { CareButtons } from "./care";
import { CloseDialog } from "./close-dialog";
import { Facts } from "./facts";
import { Pnl, Price } from "./figures";
import { Icon } from "./icons";
import { LevelEditor } from "./level-editor";
import { PriceChart } from "./price-chart";
import { RiskBars } from "./risk";

interface Props {
  shown: Shown;
  /** On its own page the link to that page is left out. */
  alone?: boolean;
}

const NO_DRAFTS: Record<LevelKind, Decimal | null> = { "stop-loss": null, "take-profit": null };

export function PositionPanel({ shown, alone }: Props) {
  const { row } = shown;
  const [drafts, setDrafts] = useState(NO_DRAFTS);
  const [closing, setClosing] = useState(false);
  const known = documents.use();
  const state = operations.use();
  const detail = useLoad(row.id ?? "", async () => {
    if (!row.id) return null;
    const read = await readPosition(row.id);
    noteDocument(read.position);
    return read;
  });

  const turn = venueTurn(state);
  // Margin, liquidation and the reasons behind the marks are in the detail: read again whenever a mark changes, and
  // now and then.
  // biome-ignore lint/correctness/useExhaustiveDependencies: a mark that changes, and the time, are the reasons
  useEffect(() => {
    if (detail.value) detail.reload();
  }, [row.guarded, row.inSync, row.stopLossEnforced, row.takeProfitEnforced, row.quantity, turn]);

  const position = (row.id ? known.get(row.id) : null) ?? detail.value?.position ?? null;
  const live = detail.value?.live ?? null;
  const draft = (kind: LevelKind) => (price: Decimal | null) => setDrafts((all) => ({ ...all, [kind]: price }));
  const drawn = (kind: LevelKind) => {
    const text = drafts[kind];
    return text !== null && isDecimal(typedPrice(text)) ? typedPrice(text) : null;
  };
  const editor = {
    row,
    version: position?.version ?? null,
    changed: detail.reload,
  };
  return (
    <section
      class="panel position"
      aria-label={`${row.pair} ${row.type.toLowerCase()} on ${exchangeName(row.exchange)}`}
    >
      <header>
        <h2>
          {row.pair} <span class={`side ${row.type.toLowerCase()}`}>{row.type.toLowerCase()}</span>
          <small>{exchangeName(row.exchange)}</small>
        </h2>
        <Pnl value={row.pnl} percent={row.pnlPercent} large />
      </header>
      <PriceChart
        row={row}
        drafts={{ "stop-loss": drawn("stop-loss"), "take-profit": drawn("take-profit") }}
        draw={(kind, price) => draft(kind)(price)}
        fixedLevels={row.id === null}
      />
      <p class="caption">
        Since this page was opened. Solid: enforced; dashed: shown only. Drag the handles of stop and target.
      </p>
      <div class="levels">
        <LevelEditor
          kind="stop-loss"
          level={position?.stopLoss ?? null}
          draft={drafts["stop-loss"]}
          setDraft={draft("stop-loss")}
          {...editor}
        />
        <LevelEditor
          kind="take-profit"
          level={position?.takeProfit ?? null}
          draft={drafts["take-profit"]}
          setDraft={draft("take-profit")}
          {...editor}
        />
      </div>
      <AdviceNote advice={live?.shouldClose ?? position?.aiManagement?.shouldClose ?? null} />
      <RiskBars row={row} live={live} />
      <LiveFacts row={row} position={position} live={live} takenAt={state.takenAt} />
      <Marks row={row} live={live} />
      <footer class="actions">
        {!alone && row.id && (
          <Link to={`/positions/${row.id}`} class="button">
            Details
          </Link>
        )}
        {position && <CareButtons row={row} position={position} changed={detail.reload} />}
        <button type="button" class="danger" disabled={row.id === null} onClick={() => setClosing(true)}>
          Close position…
        </button>
      </footer>
      {closing && <CloseDialog row={row} position={position} done={() => setClosing(false)} />}
    </section>
  );
}

interface FactsProps {
  row: Row;
  position: Position | null;
  live: Live | null;
  takenAt: string | null;
}

function LiveFacts({ row, position, live, takenAt }: FactsProps) {
  const leverage = live?.leverage ?? position?.leverage ?? null;
  const opened = position?.openedAt ?? null;
  const facts: [string, preact.ComponentChild][] = [
    ["Price", <Price key="price" value={row.currentPrice} like={row.entryPrice} />],
    ["Entry", formatPrice(row.entryPrice)],
    ["Size", formatQuantity(row.quantity)],
    ["Notional", `${formatAmount(notional(row))}`],
    ["Leverage", leverage === null ? "–" : `${leverage}×`],
    ["Liquidation", formatPrice(live?.liquidationPrice ?? null, row.entryPrice)],
    ["Origin", position ? `${words(position.origin)}, ${row.managed ? "managed" : "observed"}` : "–"],
    ["Goes by", `${live?.triggerPrice ?? position?.triggerPrice ?? "mark"} price`],
    ["Open for", opened ? formatDuration(new Date(takenAt ?? opened).getTime() - new Date(opened).getTime()) : "–"],
  ];
  const plan = live?.plan ?? position?.plan;
  if (live?.margin) facts.push(["Margin", formatAmount(live.margin)]);
  if (position?.funding && Number(position.funding) !== 0) facts.push(["Funding", formatPnl(position.funding)]);
  if (plan)
    facts.push([
      "Plan",
      `${capital(plan)}${live?.commission ? `, ${formatAmount(live.commission)} of the profit` : ""}`,
    ]);
  if (position?.flowId) facts.push(["Flow", position.flowId]);
  return <Facts facts={facts} />;
}

function AdviceNote({ advice }: { advice: Advice | null }) {
  if (!advice) return null;
  return (
    <p class="banner advice-note">
      <Icon name="advice" />
      <span>
        <b>The advisor would close it</b>
        {advice.confidence && ` (${Number(advice.confidence)} % sure, urgency ${advice.urgency})`}: {advice.reason}
      </span>
    </p>
  );
}

function Marks({ row, live }: { row: Row; live: Live | null }) {
  const enforced = row.stopLossEnforced || row.takeProfitEnforced;
  const reason = live?.unguardedReason;
  const doubts = live?.outOfSyncReasons?.join("; ");
  return (
    <ul class="marks">
      <li class={row.inSync ? "good" : "doubt"}>
        <Icon name={row.inSync ? "check" : "sync"} />
        {row.inSync
          ? "In sync: the exchange and the books agree."
          : row.id === null
            ? "Not in the books yet. The next reconciliation adopts it; “Sync now” does so at once."
            : `Out of sync${doubts ? `: ${doubts}` : ""}. The books follow with the next reconciliation, or at once with “Sync now”.`}
      </li>
      <li class={row.guarded ? "good" : enforced ? "bad" : "idle"}>
        <Icon name={row.guarded ? "shield" : enforced ? "warning" : "shield"} />
        {row.guarded
          ? "Guarded: the monitor watches its enforced levels."
          : enforced
            ? `Not guarded${reason ? `: ${reason}` : ": nobody watches its levels just now."}`
            : "Nothing to guard: its levels are shown only. Set a stop, and Tandem enforces it."}
      </li>
    </ul>
  );
}
