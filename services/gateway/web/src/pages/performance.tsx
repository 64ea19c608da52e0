/** What happened, from the books. */
import { useEffect, useMemo, useState } from "preact/hooks";
import { ApiError, download } from "../api/client";
import { PERIODS, type Period, readAnalytics, readFeatures, readHistory } from "../api/routes";
import type { Analytics, Closed } from "../api/types";
import { deepest, equityOf } from "../equity";
import { capital, exchangeName, formatMoment, formatPnl, formatPrice, formatQuantity, UNKNOWN, words } from "../format";
import { happenings } from "../live/positions";
import { useLoad } from "../load";
import { notify } from "../notices";
import { EquityChart } from "../parts/equity-chart";
import { Pnl } from "../parts/figures";
import { Icon } from "../parts/icons";
import { Empty, Failure, Loading } from "../parts/states";
import { Link } from "../router";

const PAGE = 200;
const CSV = "/api/positions/history.csv";
const PDF = "/api/performance/report.pdf";
const NAMES: Record<Period, string> = {
  "24h": "24 h",
  "7d": "7 d",
  "30d": "30 d",
  "90d": "90 d",
  "1y": "1 y",
  all: "All",
};

export function PerformancePage() {
  const [period, setPeriod] = useState<Period>("30d");
  const analytics = useLoad(period, () => readAnalytics(period));
  const history = useLoad(period, () => readHistory(period, PAGE, null));
  const [more, setMore] = useState<{ closed: Closed[]; cursor: string | null } | null>(null);
  const facts = happenings.use();

  // A close that happens while one watches belongs here too.
  const closes = facts.filter((one) => one.title.includes("closed")).length;
  // biome-ignore lint/correctness/useExhaustiveDependencies: the number of closes is the reason
  useEffect(() => {
    if (closes) {
      analytics.reload();
      history.reload();
    }
  }, [closes]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a fresh first page ends what was added to the old one
  useEffect(() => setMore(null), [history.value]);

  const closed = useMemo(() => [...(history.value?.positions ?? []), ...(more?.closed ?? [])], [history.value, more]);
  const cursor = more ? more.cursor : (history.value?.nextCursor ?? null);
  const points = useMemo(() => equityOf(closed), [closed]);

  const readMore = async () => {
    try {
      const page = await readHistory(period, PAGE, cursor);
      setMore((before) => ({ closed: [...(before?.closed ?? []), ...page.positions], cursor: page.nextCursor }));
    } catch (error) {
      notify(error instanceof ApiError ? error.message : String(error), "failed");
    }
  };

  return (
    <>
      <header class="page-head">
        <h1>Performance</h1>
        <span class="badge">Historical</span>
        <fieldset class="segments">
          <legend class="hidden">Period</legend>
          {PERIODS.map((one) => (
            <label key={one}>
              <input type="radio" name="period" checked={one === period} onChange={() => setPeriod(one)} />
              <span>{NAMES[one]}</span>
            </label>
          ))}
        </fieldset>
        <Exports period={period} />
      </header>
      {analytics.error !== null && <Failure error={analytics.error} retry={analytics.reload} />}
      {history.error !== null && analytics.error === null && <Failure error={history.error} retry={history.reload} />}
      {analytics.value && <Tiles figures={analytics.value} drawdown={deepest(points)} complete={cursor === null} />}
      {history.loading && !history.value && <Loading rows={4} what="history" />}
      {history.value && closed.length === 0 && (
        <Empty icon="performance" title="Nothing was closed in this period">
          <p>Choose a longer period above, or close a position: it appears here the moment its fills are booked.</p>
        </Empty>
      )}
      {closed.length > 0 && (
        <>
          <section class="panel" aria-label="Equity curve">
            <header class="exchange-head">
              <h2>Equity curve</h2>
              <span class="muted">
                {cursor === null ? "realised, net of fees" : `of the latest ${closed.length} closed`}
              </span>
            </header>
            {points.length > 0 ? (
              <EquityChart points={points} />
            ) : (
              <p class="muted pad">No exit of this period has exact figures yet.</p>
            )}
          </section>
          <History closed={closed} />
          {cursor && (
            <p class="center">
              <button type="button" onClick={() => void readMore()}>
                Read older ones
              </button>
            </p>
          )}
        </>
      )}
    </>
  );
}

function Exports({ period }: { period: Period }) {
  const features = useLoad("features", readFeatures);
  const save = (path: string, name: string) => async () => {
    try {
      await download(`${path}?period=${period}`, name);
    } catch (error) {
      notify(error instanceof ApiError ? error.message : String(error), "failed");
    }
  };
  const has = (path: string) => features.value?.has(`GET ${path}`);
  if (!has(CSV) && !has(PDF)) return null;
  return (
    <div class="exports">
      {has(CSV) && (
        <button type="button" class="small" onClick={() => void save(CSV, `tandem-history-${period}.csv`)()}>
          <Icon name="file" size={15} /> CSV
        </button>
      )}
      {has(PDF) && (
        <button type="button" class="small" onClick={() => void save(PDF, `tandem-report-${period}.pdf`)()}>
          <Icon name="file" size={15} /> PDF
        </button>
      )}
    </div>
  );
}

function Tiles({ figures, drawdown, complete }: { figures: Analytics; drawdown: string | null; complete: boolean }) {
  const known = figures as Analytics & {
    sharpeRatio?: string | null;
    maxDrawdown?: { amount: string | null } | null;
  };
  const sharpe = known.sharpeRatio ?? null;
  const fall = known.maxDrawdown?.amount ?? null;
  const worst = fall === null ? (complete ? drawdown : null) : Number(fall) === 0 ? "0" : `-${fall}`;
  return (
    <dl class="tiles">
      <div class="tile">
        <dt>Total P&amp;L</dt>
        <dd>
          <Pnl value={figures.totalPnl} large />
        </dd>
      </div>
      <div class="tile">
        <dt>Win rate</dt>
        <dd class="figure">{figures.winRate === null ? UNKNOWN : `${figures.winRate} %`}</dd>
      </div>
      <div class="tile">
        <dt>Trades</dt>
        <dd class="figure">
          {figures.totalTrades}{" "}
          <small>
            {figures.winningTrades} won, {figures.losingTrades} lost
          </small>
        </dd>
      </div>
      <div class="tile">
        <dt>Average</dt>
        <dd>
          <Pnl value={figures.averagePnl} />
        </dd>
      </div>
      <div class="tile">
        <dt>Best</dt>
        <dd>
          <Pnl value={figures.bestTrade} />
        </dd>
      </div>
      <div class="tile">
        <dt>Worst</dt>
        <dd>
          <Pnl value={figures.worstTrade} />
        </dd>
      </div>
      {worst !== null && (
        <div class="tile">
          <dt>Drawdown</dt>
          <dd>
            <Pnl value={worst} />
          </dd>
        </div>
      )}
      {sharpe !== null && (
        <div class="tile">
          <dt>Sharpe</dt>
          <dd class="figure">{sharpe}</dd>
        </div>
      )}
      {figures.estimatedExits !== "0" && (
        <div class="tile">
          <dt>Estimated</dt>
          <dd class="figure">
            {figures.estimatedExits} <small>not counted</small>
          </dd>
        </div>
      )}
    </dl>
  );
}

interface Filters {
  text: string;
  exchange: string;
  side: string;
  reason: string;
}

/** What scrolls has to be reachable by keyboard. */
const REACHABLE = { tabIndex: 0 };
const ALL: Filters = { text: "", exchange: "", side: "", reason: "" };

function History({ closed }: { closed: readonly Closed[] }) {
  const [filters, setFilters] = useState(ALL);
  const set = (name: keyof Filters) => (event: Event) =>
    setFilters((before) => ({ ...before, [name]: (event.currentTarget as HTMLInputElement).value }));
  const found = closed.filter(
    (one) =>
      one.pair.includes(filters.text.trim().toUpperCase()) &&
      (!filters.exchange || one.exchange === filters.exchange) &&
      (!filters.side || one.type === filters.side) &&
      (!filters.reason || one.exitReason === filters.reason),
  );
  const choices = (read: (one: Closed) => string) => [...new Set(closed.map(read))].sort();
  return (
    <section class="panel" aria-label="Closed positions">
      <header class="exchange-head">
        <h2>Closed positions</h2>
        <span class="muted">
          {found.length === closed.length ? closed.length : `${found.length} of ${closed.length}`}
        </span>
        <div class="filters">
          <input type="search" placeholder="Symbol" aria-label="Symbol" value={filters.text} onInput={set("text")} />
          <select aria-label="Exchange" value={filters.exchange} onChange={set("exchange")}>
            <option value="">All exchanges</option>
            {choices((one) => one.exchange).map((exchange) => (
              <option key={exchange} value={exchange}>
                {exchangeName(exchange)}
              </option>
            ))}
          </select>
          <select aria-label="Side" value={filters.side} onChange={set("side")}>
            <option value="">Both sides</option>
            <option value="LONG">Long</option>
            <option value="SHORT">Short</option>
          </select>
          <select aria-label="Reason" value={filters.reason} onChange={set("reason")}>
            <option value="">Any reason</option>
            {choices((one) => one.exitReason).map((reason) => (
              <option key={reason} value={reason}>
                {capital(words(reason))}
              </option>
            ))}
          </select>
        </div>
      </header>
      {found.length === 0 ? (
        <p class="muted pad">
          None of them fits.{" "}
          <button type="button" class="plain link" onClick={() => setFilters(ALL)}>
            Show all
          </button>
        </p>
      ) : (
        <section class="scroll" aria-label="Closed positions, table" {...REACHABLE}>
          <table class="history">
            <thead>
              <tr>
                <th>Closed</th>
                <th>Position</th>
                <th class="number">Size</th>
                <th class="number">Entry</th>
                <th class="number">Exit</th>
                <th class="number">Fee</th>
                <th class="number">P&amp;L</th>
                <th>Why</th>
              </tr>
            </thead>
            <tbody>
              {found.map((one) => (
                <tr key={one.id} data-symbol={one.pair}>
                  <td class="figure when">{formatMoment(one.closedAt)}</td>
                  <td>
                    <Link to={`/positions/${one.id}`}>{one.pair}</Link>{" "}
                    <span class={`side ${one.type.toLowerCase()}`}>{one.type.toLowerCase()}</span>{" "}
                    <span class="muted">{exchangeName(one.exchange)}</span>
                  </td>
                  <td class="number figure wide">{formatQuantity(one.quantity)}</td>
                  <td class="number figure">{formatPrice(one.entryPrice)}</td>
                  <td class="number figure">{formatPrice(one.exitPrice, one.entryPrice)}</td>
                  <td class="number figure wide">{one.fee === null ? UNKNOWN : formatPnl(one.fee).replace("+", "")}</td>
                  <td class="number">
                    <Pnl value={one.pnl} percent={one.pnlPercent} />
                  </td>
                  <td>
                    <span class={`reason ${one.exitReason.toLowerCase()}`}>{words(one.exitReason)}</span>
                    {one.exitCause && one.exitCause !== one.exitReason && (
                      <small class="muted"> {words(one.exitCause)}</small>
                    )}
                    {one.estimated && <small class="muted"> estimated</small>}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
    </section>
  );
}
