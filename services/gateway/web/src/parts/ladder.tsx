/** Where the price stands between stop and target, at a glance: stop always on the left, target always on the right. */
import type { Row } from "../api/types";
import { formatPrice, UNKNOWN } from "../format";

function clamp(value: number): number {
  return Math.min(100, Math.max(0, value));
}

export function Ladder({ row }: { row: Row }) {
  const [entry, price] = [Number(row.entryPrice), row.currentPrice === null ? null : Number(row.currentPrice)];
  const stop = row.stopLoss === null ? null : Number(row.stopLoss);
  const target = row.takeProfit === null ? null : Number(row.takeProfit);
  const points = [entry, price, stop, target].filter((point): point is number => point !== null);
  const [low, high] = [Math.min(...points), Math.max(...points)];
  const span = high - low || 1;
  const long = row.type === "LONG";
  const at = (value: number) => clamp(((long ? value - low : high - value) / span) * 100);
  const here = price === null ? null : at(price);
  const start = at(entry);
  const gaining = here !== null && here >= start;
  return (
    <div class="ladder">
      <svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
        <rect class="track" x="0" y="4" width="100" height="2" rx="1" />
        {here !== null && (
          <rect
            class={gaining ? "run gain" : "run loss"}
            x={Math.min(here, start)}
            y="3.5"
            width={Math.max(0.4, Math.abs(here - start))}
            height="3"
          />
        )}
      </svg>
      {stop !== null && (
        <i class={`tick stop ${row.stopLossEnforced ? "held" : ""}`} style={{ left: `${at(stop)}%` }} />
      )}
      {target !== null && (
        <i class={`tick target ${row.takeProfitEnforced ? "held" : ""}`} style={{ left: `${at(target)}%` }} />
      )}
      <i class="tick entry" style={{ left: `${start}%` }} />
      {here !== null && <i class={`dot ${gaining ? "gain" : "loss"}`} style={{ left: `${here}%` }} />}
      <div class="ends">
        <span class="figure" title={row.stopLossEnforced ? "Stop, enforced" : "Stop, indicative: shown, not traded"}>
          <span class="hidden">Stop </span>
          {row.stopLoss === null ? UNKNOWN : formatPrice(row.stopLoss, row.entryPrice)}
        </span>
        <span
          class="figure"
          title={row.takeProfitEnforced ? "Target, enforced" : "Target, indicative: shown, not traded"}
        >
          <span class="hidden">Target </span>
          {row.takeProfit === null ? UNKNOWN : formatPrice(row.takeProfit, row.entryPrice)}
        </span>
      </div>
    </div>
  );
}
