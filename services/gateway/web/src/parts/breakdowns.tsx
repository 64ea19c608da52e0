/** The figures of a choice by symbol, exchange, side, exit reason and flow. */
import { useState } from "preact/hooks";
import type { Breakdown, Group } from "../api/performance";
import { capital, exchangeName, tone, words } from "../format";
import { Pnl } from "./figures";
import { REACHABLE } from "./reachable";

type By = keyof Pick<Breakdown, "bySymbol" | "byExchange" | "bySide" | "byExitReason" | "byFlow">;

const WAYS: { by: By; name: string; show: (key: string | null) => string }[] = [
  { by: "bySymbol", name: "Symbol", show: (key) => key ?? "–" },
  { by: "byExchange", name: "Exchange", show: (key) => exchangeName(key ?? "–") },
  { by: "bySide", name: "Side", show: (key) => capital(key ?? "–") },
  { by: "byExitReason", name: "Exit", show: (key) => capital(words(key ?? "–")) },
  { by: "byFlow", name: "Flow", show: (key) => key ?? "Without a flow" },
];

/** Half the width of a bar is the largest gain or loss. */
function widthOf(one: Group, largest: number): number {
  return (Math.abs(Number(one.totalPnl ?? "0")) / largest) * 50;
}

export function Breakdowns({ breakdown }: { breakdown: Breakdown }) {
  const [by, setBy] = useState<By>("bySymbol");
  const way = WAYS.find((one) => one.by === by) ?? WAYS[0];
  const groups = [...breakdown[by]].sort((a, b) => Number(b.totalPnl ?? "0") - Number(a.totalPnl ?? "0"));
  const largest = Math.max(...groups.map((one) => Math.abs(Number(one.totalPnl ?? "0"))), 1e-9);
  return (
    <section class="panel breakdown" aria-label="Breakdown">
      <header class="exchange-head">
        <h2>By</h2>
        <fieldset class="segments">
          <legend class="hidden">Broken down by</legend>
          {WAYS.map((one) => (
            <label key={one.by}>
              <input type="radio" name="breakdown" checked={one.by === by} onChange={() => setBy(one.by)} />
              <span>{one.name}</span>
            </label>
          ))}
        </fieldset>
      </header>
      {groups.length === 0 ? (
        <p class="muted pad">Nothing with exact figures.</p>
      ) : (
        <ul {...REACHABLE}>
          {groups.map((one) => {
            const width = widthOf(one, largest);
            const direction = tone(one.totalPnl);
            return (
              <li key={one.key ?? ""}>
                <div class="split-head">
                  <b>{way?.show(one.key)}</b>
                  <small class="muted figure">
                    {one.totalTrades} {one.totalTrades === "1" ? "trade" : "trades"}
                    {one.winRate !== null && ` · ${Math.round(Number(one.winRate))} % won`}
                    {one.profitFactor != null &&
                      Number(one.profitFactor) > 0 &&
                      ` · factor ${Number(one.profitFactor).toFixed(2)}`}
                  </small>
                  <Pnl value={one.totalPnl} />
                </div>
                <svg class="bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
                  <rect class="track" width="100" height="6" />
                  <rect
                    class={direction === "loss" ? "short" : "long"}
                    x={direction === "loss" ? 50 - width : 50}
                    width={width}
                    height="6"
                  />
                </svg>
              </li>
            );
          })}
        </ul>
      )}
    </section>
  );
}
