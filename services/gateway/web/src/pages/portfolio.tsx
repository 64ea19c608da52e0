/** All accounts as one book: exposure and profit live with the prices, margin as the venues said it last. */
import { useEffect } from "preact/hooks";
import { readPortfolio, type Stake } from "../api/portfolio";
import { type Exposure, exposures } from "../exposure";
import { capital, exchangeName, formatAmount, formatPnl } from "../format";
import { keyless, operations, refresh, venueTurn } from "../live/positions";
import { useLoad } from "../load";
import { FeedBadge } from "../parts/feed-badge";
import { Pnl } from "../parts/figures";
import { Empty, Failure, Loading, NoKeyYet } from "../parts/states";
import { Link } from "../router";

export function PortfolioPage() {
  const state = operations.use();
  const rows = state.shown.filter((one) => !one.closed).map((one) => one.row);
  const whole = exposures(rows, () => "all")[0];
  const stakes = useLoad("portfolio", readPortfolio);
  // Margin changes with what is open and with each reading of the venues, not with each price.
  const held = rows.map((row) => `${row.id}${row.quantity}`).join();
  const turn = venueTurn(state);
  // biome-ignore lint/correctness/useExhaustiveDependencies: what is held, and the time, are the reasons
  useEffect(() => {
    if (stakes.value) stakes.reload();
  }, [held, turn]);
  const margin = stakes.value;
  return (
    <>
      <header class="page-head">
        <h1>Portfolio</h1>
        <span class="badge live">Live</span>
        <FeedBadge />
      </header>
      {state.error && !keyless(state) && <Failure error={state.error} retry={() => void refresh()} />}
      {!state.loaded && <Loading what="portfolio" />}
      {state.loaded && keyless(state) && <NoKeyYet />}
      {state.loaded && !whole && !state.error && (
        <Empty icon="portfolio" title="No exposure">
          <p>
            Nothing is open at any exchange. Accounts are added on <Link to="/keys">Keys</Link>.
          </p>
        </Empty>
      )}
      {whole && (
        <>
          <dl class="tiles">
            <div class="tile">
              <dt>Open P&amp;L</dt>
              <dd>
                <Pnl value={whole.pnl} large />
              </dd>
            </div>
            <div class="tile">
              <dt>Gross exposure</dt>
              <dd class="figure">{formatAmount(whole.gross)}</dd>
            </div>
            <div class="tile">
              <dt>Net exposure</dt>
              <dd class="figure">
                {formatPnl(whole.net)} <small>{whole.net.startsWith("-") ? "short" : "long"}</small>
              </dd>
            </div>
            <div class="tile">
              <dt>Margin</dt>
              <dd class="figure">
                {formatAmount(margin?.total.margin ?? null)}{" "}
                {margin && Number(margin.total.unmargined) > 0 && (
                  <small>{margin.total.unmargined} not told by the exchange</small>
                )}
              </dd>
            </div>
            <div class="tile">
              <dt>Long / short</dt>
              <dd class="figure">
                {formatAmount(whole.long, 0)} <small>/ {formatAmount(whole.short, 0)}</small>
              </dd>
            </div>
          </dl>
          <div class="three-columns">
            <Split
              title="By exchange"
              parts={exposures(rows, (row) => row.exchange)}
              stakes={margin?.byExchange}
              show={exchangeName}
            />
            <Split
              title="By symbol"
              parts={exposures(rows, (row) => row.pair)}
              stakes={margin?.bySymbol}
              show={(name) => name}
            />
            <Split
              title="By side"
              parts={exposures(rows, (row) => row.type.toLowerCase())}
              stakes={margin?.bySide}
              show={capital}
            />
          </div>
          <p class="caption">Notional at the present price, in quote currency (USDT), over all your accounts.</p>
        </>
      )}
    </>
  );
}

interface SplitProps {
  title: string;
  parts: Exposure[];
  stakes: Record<string, Stake> | undefined;
  show: (name: string) => string;
}

function Split({ title, parts, stakes, show }: SplitProps) {
  const largest = Math.max(...parts.map((part) => Number(part.gross)), 1e-9);
  return (
    <section class="panel split" aria-label={title}>
      <header class="exchange-head">
        <h2>{title}</h2>
      </header>
      <ul>
        {parts.map((part) => {
          const width = (value: string) => (Number(value) / largest) * 100;
          return (
            <li key={part.name}>
              <div class="split-head">
                <b>{show(part.name)}</b>
                <span class="figure">{formatAmount(part.gross)}</span>
                <Pnl value={part.pnl} />
              </div>
              <svg class="bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
                <rect class="track" width="100" height="6" />
                <rect class="long" width={width(part.long)} height="6" />
                <rect class="short" x={width(part.long)} width={width(part.short)} height="6" />
              </svg>
              <small class="muted figure">
                long {formatAmount(part.long)} · short {formatAmount(part.short)} · net {formatPnl(part.net)}
                {stakes?.[part.name] && ` · margin ${formatAmount(stakes[part.name]?.margin)}`}
              </small>
            </li>
          );
        })}
      </ul>
    </section>
  );
}
