/** The table of closed positions; on a phone each line is a small card. */
import { useState } from "preact/hooks";
import type { Closed } from "../api/types";
import {
  capital,
  exchangeName,
  formatAmount,
  formatMoment,
  formatPrice,
  formatQuantity,
  UNKNOWN,
  words,
} from "../format";
import { Link } from "../router";
import { Pnl } from "./figures";
import { REACHABLE } from "./reachable";

interface Filters {
  side: string;
  reason: string;
}

const ALL: Filters = { side: "", reason: "" };

export function History({ closed, more }: { closed: readonly Closed[]; more: boolean }) {
  const [filters, setFilters] = useState(ALL);
  const set = (name: keyof Filters) => (event: Event) =>
    setFilters((before) => ({ ...before, [name]: (event.currentTarget as HTMLInputElement).value }));
  const found = closed.filter(
    (one) => (!filters.side || one.type === filters.side) && (!filters.reason || one.exitReason === filters.reason),
  );
  const reasons = [...new Set(closed.map((one) => one.exitReason))].sort();
  return (
    <section class="panel" aria-label="Closed positions">
      <header class="exchange-head">
        <h2>Closed positions</h2>
        <span class="muted">
          {found.length === closed.length
            ? `${closed.length}${more ? " and more" : ""}`
            : `${found.length} of ${closed.length}`}
        </span>
        <div class="filters">
          <select aria-label="Side" value={filters.side} onChange={set("side")}>
            <option value="">Both sides</option>
            <option value="LONG">Long</option>
            <option value="SHORT">Short</option>
          </select>
          <select aria-label="Reason" value={filters.reason} onChange={set("reason")}>
            <option value="">Any reason</option>
            {reasons.map((reason) => (
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
                <Line key={one.id} one={one} />
              ))}
            </tbody>
          </table>
        </section>
      )}
    </section>
  );
}

function Line({ one }: { one: Closed }) {
  return (
    <tr data-symbol={one.pair}>
      <td class="figure when">{formatMoment(one.closedAt)}</td>
      <td>
        <Link to={`/positions/${one.id}`}>{one.pair}</Link>{" "}
        <span class={`side ${one.type.toLowerCase()}`}>{one.type.toLowerCase()}</span>{" "}
        <span class="muted">{exchangeName(one.exchange)}</span>
      </td>
      <td class="number figure wide">{formatQuantity(one.quantity)}</td>
      <td class="number figure">{formatPrice(one.entryPrice)}</td>
      <td class="number figure">{formatPrice(one.exitPrice, one.entryPrice)}</td>
      <td class="number figure wide">{one.fee === null ? UNKNOWN : formatAmount(one.fee)}</td>
      <td class="number">
        <Pnl value={one.pnl} percent={one.pnlPercent} />
      </td>
      <td>
        <span class={`reason ${one.exitReason.toLowerCase()}`}>{words(one.exitReason)}</span>
        {one.exitCause && one.exitCause !== one.exitReason && <small class="muted"> {words(one.exitCause)}</small>}
        {one.estimated && (
          <span class="reason estimated" title="No fills tell this exit yet: it is in no figure until they do">
            estimated
          </span>
        )}
      </td>
    </tr>
  );
}
