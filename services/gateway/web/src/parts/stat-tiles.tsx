/** The figures of a choice of closed positions. One that is not known is not shown as zero. */
import type { ComponentChildren } from "preact";
import type { Analytics } from "../api/types";
import { formatAmount, formatDuration, formatPercent, UNKNOWN } from "../format";
import { Pnl } from "./figures";

function Tile({ name, title, children }: { name: string; title?: string | undefined; children: ComponentChildren }) {
  return (
    <div class="tile" title={title}>
      <dt>{name}</dt>
      <dd class="figure">{children}</dd>
    </div>
  );
}

const ratio = (value: string | null | undefined) => (value == null ? UNKNOWN : Number(value).toFixed(2));

export function StatTiles({ figures }: { figures: Analytics }) {
  const fall = figures.maxDrawdown ?? null;
  const days = Number(figures.equityDays ?? "0");
  const annual = days > 0 ? `Annualised, of ${days} days of equity` : "Needs the account's daily equity of some days";
  const hold = figures.averageHoldSeconds;
  return (
    <dl class="tiles stats">
      <Tile name="Total P&L">
        <Pnl value={figures.totalPnl} large />
        {figures.fees != null && <small>after {formatAmount(figures.fees)} of fees</small>}
      </Tile>
      <Tile name="Trades">
        {figures.totalTrades}{" "}
        <small>
          {figures.winningTrades} won, {figures.losingTrades} lost
        </small>
      </Tile>
      <Tile name="Win rate">
        {figures.winRate === null ? UNKNOWN : formatPercent(figures.winRate).replace("+", "")}
      </Tile>
      <Tile name="Profit factor" title="What the won ones gained over what the lost ones lost">
        {ratio(figures.profitFactor)}
      </Tile>
      <Tile name="Expectancy" title="What a trade brings on average, net">
        <Pnl value={figures.expectancy ?? figures.averagePnl} />
        {hold != null && <small>held {formatDuration(Number(hold) * 1000)}</small>}
      </Tile>
      <Tile name="Best / worst">
        <span class="pair">
          <Pnl value={figures.bestTrade} /> <Pnl value={figures.worstTrade} />
        </span>
      </Tile>
      <Tile name="Drawdown" title="The deepest fall below the highest total before it">
        {fall === null ? (
          UNKNOWN
        ) : (
          <>
            <Pnl value={Number(fall.amount) === 0 ? "0" : `-${fall.amount.replace("-", "")}`} />
            {fall.percent != null && Number(fall.percent) !== 0 && (
              <small>{formatPercent(fall.percent).replace("+", "")} of equity</small>
            )}
          </>
        )}
      </Tile>
      <Tile name="Sharpe" title={annual}>
        {ratio(figures.sharpeRatio)}
        {figures.sharpeRatio == null && <small>{days === 0 ? "no daily equity yet" : `${days} days of equity`}</small>}
        {figures.sortinoRatio != null && <small> Sortino {ratio(figures.sortinoRatio)}</small>}
      </Tile>
      {figures.estimatedExits !== "0" && (
        <Tile name="Estimated" title="Their fills are not known yet">
          {figures.estimatedExits} <small>not counted</small>
        </Tile>
      )}
    </dl>
  );
}
