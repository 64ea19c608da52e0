/** The fills of a position. */
import { readTransactions } from "../api/books";
import { formatAmount, formatInstant, formatPnl, formatPrice, formatQuantity, tone, UNKNOWN, words } from "../format";
import { useLoad } from "../load";
import { REACHABLE } from "./reachable";
import { Failure, Loading } from "./states";

export function Transactions({ id, version }: { id: string; version: string }) {
  const read = useLoad(`${id} ${version}`, () => readTransactions(id));
  const rows = read.value;
  return (
    <section class="panel" aria-label="Transactions">
      <header class="exchange-head">
        <h2>Transactions</h2>
        {rows && <span class="muted">{rows.length}</span>}
      </header>
      {read.error !== null && <Failure error={read.error} retry={read.reload} />}
      {read.loading && !rows && read.error === null && <Loading what="transactions" rows={1} />}
      {rows?.length === 0 && <p class="muted pad">No fill is booked yet: the exchange's list is read again soon.</p>}
      {rows && rows.length > 0 && (
        <section class="scroll" aria-label="Transactions, table" {...REACHABLE}>
          <table class="plain-table">
            <thead>
              <tr>
                <th>When</th>
                <th>What</th>
                <th class="number">Size</th>
                <th class="number">Price</th>
                <th class="number">Fee</th>
                <th class="number">P&amp;L</th>
              </tr>
            </thead>
            <tbody>
              {rows.map((one) => (
                <tr key={one.id}>
                  <td class="figure muted">{formatInstant(one.executedAt)}</td>
                  <td>
                    {one.orderSide} <span class="muted">{words(one.reason)}</span>
                    {one.status !== "filled" && <span class="muted"> · {words(one.status)}</span>}
                  </td>
                  <td class="number figure">{one.quantity === null ? UNKNOWN : formatQuantity(one.quantity)}</td>
                  <td class="number figure">{formatPrice(one.price)}</td>
                  <td class="number figure" title={one.fee ?? undefined}>
                    {one.fee === null ? UNKNOWN : `${formatAmount(one.fee, 4)} ${one.feeCurrency ?? ""}`}
                  </td>
                  <td class={`number figure ${tone(one.pnl)}`}>{formatPnl(one.pnl)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
    </section>
  );
}
