/** One position in the list: a line that one can read at a glance, and that opens. */

import { exchangeName, formatPnl, formatPrice, formatQuantity, words } from "../format";
import type { Shown } from "../live/marks";
import { dismiss, documents } from "../live/positions";
import { Link } from "../router";
import { Pnl, Price } from "./figures";
import { Icon } from "./icons";
import { Ladder } from "./ladder";

interface Props {
  shown: Shown;
  open: boolean;
  choose: () => void;
}

export function PositionRow({ shown, open, choose }: Props) {
  const { row, closed } = shown;
  const known = documents.use();
  if (closed) return <ClosedRow shown={shown} />;
  const enforced = row.stopLossEnforced || row.takeProfitEnforced;
  const advised = row.id ? known.get(row.id)?.aiManagement?.shouldClose : null;
  return (
    <button type="button" class="row" aria-expanded={open} onClick={choose} data-symbol={row.pair}>
      <span class="name">
        <b>
          {row.pair}
          {advised && (
            <span class="advised" title={`The advisor would close it: ${advised.reason}`}>
              <Icon name="advice" size={14} />
              <span class="hidden">The advisor would close it</span>
            </span>
          )}
        </b>
        <span>
          <span class={`side ${row.type.toLowerCase()}`}>{row.type.toLowerCase()}</span>
          <span class="figure size">{formatQuantity(row.quantity)}</span>
        </span>
      </span>
      <Ladder row={row} />
      <span class="prices">
        <Price value={row.currentPrice} like={row.entryPrice} />
        <small class="figure" title="Entry price">
          <span class="hidden">Entry </span>
          {formatPrice(row.entryPrice)}
        </small>
      </span>
      <Pnl value={row.pnl} percent={row.pnlPercent} />
      <span class="tokens">
        <span
          class={row.inSync ? "token good" : "token doubt"}
          title={row.inSync ? "In sync with the books" : "The books are a step behind"}
        >
          <Icon name={row.inSync ? "check" : "sync"} size={14} />
          <span>{row.inSync ? "in sync" : "out of sync"}</span>
        </span>
        <span
          class={row.guarded ? "token good" : enforced ? "token bad" : "token idle"}
          title={
            row.guarded
              ? "The monitor watches its levels"
              : enforced
                ? "Nobody watches its levels"
                : "Its levels are shown, not enforced"
          }
        >
          <Icon name={!row.guarded && enforced ? "warning" : "shield"} size={14} />
          <span>{row.guarded ? "guarded" : enforced ? "not guarded" : "observed"}</span>
        </span>
      </span>
    </button>
  );
}

function ClosedRow({ shown: { key, row, closed } }: { shown: Shown }) {
  const exit = closed?.exit ?? null;
  return (
    <div class="row closed" role="status" data-symbol={row.pair}>
      <span class="name">
        <b>{row.pair}</b>
        <span class="side ended">closed</span>
      </span>
      <p>
        {exit ? words(exit.reason) : "closed"}
        {exit?.price ? ` at ${formatPrice(exit.price, row.entryPrice)}` : ""} on {exchangeName(row.exchange)}
        {exit?.estimated ? ", estimated until its fills are known" : ""}
      </p>
      <Pnl value={exit?.pnl ?? null} percent={exit?.pnlPercent ?? null} />
      <span class="tokens">
        {row.id && <Link to={`/positions/${row.id}`}>Details</Link>}
        <button
          type="button"
          class="plain"
          onClick={() => dismiss(key)}
          aria-label={`Put the closed ${row.pair} away (${formatPnl(exit?.pnl ?? null)})`}
        >
          <Icon name="close" size={16} />
        </button>
      </span>
    </div>
  );
}
