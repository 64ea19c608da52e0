/** The price since the page was opened, with entry, stop and target; stop and target can be dragged, or moved by keys. */
import {
  BaselineSeries,
  createChart,
  type IChartApi,
  type IPriceLine,
  type ISeriesApi,
  LineStyle,
} from "lightweight-charts";
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { LevelKind } from "../api/routes";
import type { Row } from "../api/types";
import type { Decimal } from "../decimal";
import { formatPrice, pricePlaces } from "../format";
import { priceKey, priceTurns, seenPrices } from "../live/prices";
import { theme } from "../theme";
import { chartOptions } from "./chart-options";
import { palette } from "./palette";

interface Props {
  row: Row;
  /** What is being typed or dragged, if anything: drawn in the place of the level. */
  drafts: Record<LevelKind, Decimal | null>;
  draw: (kind: LevelKind, price: Decimal) => void;
  fixedLevels?: boolean;
}

interface Drawn {
  chart: IChartApi;
  series: ISeriesApi<"Baseline">;
}

const KINDS: LevelKind[] = ["stop-loss", "take-profit"];
const NAMES: Record<LevelKind, string> = { "stop-loss": "Stop", "take-profit": "Target" };

export function PriceChart({ row, drafts, draw, fixedLevels }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const drawn = useRef<Drawn | null>(null);
  const levels = useRef<{ low: number; high: number }>({ low: 0, high: 0 });
  const [places, setPlaces] = useState<Record<LevelKind, number | null>>({ "stop-loss": null, "take-profit": null });
  const turn = priceTurns.use();
  const colours = theme.use();
  const key = priceKey(row);
  const stop = drafts["stop-loss"] ?? row.stopLoss;
  const target = drafts["take-profit"] ?? row.takeProfit;
  const digits = pricePlaces(row.entryPrice);

  const settle = useCallback(() => {
    const series = drawn.current?.series;
    if (!series) return;
    const at = (price: Decimal | null) => (price === null ? null : series.priceToCoordinate(Number(price)));
    setPlaces((before) => {
      const next = { "stop-loss": at(stop), "take-profit": at(target) };
      return KINDS.every((kind) => before[kind] === next[kind]) ? before : next;
    });
  }, [stop, target]);

  // A chart for a symbol in a theme; what it shows is brought up to date below.
  // biome-ignore lint/correctness/useExhaustiveDependencies: the theme is read from the page
  useLayoutEffect(() => {
    if (!box.current) return;
    const shade = palette();
    const chart = createChart(box.current, chartOptions(false));
    const long = row.type === "LONG";
    const [above, below] = long ? [shade.gain, shade.loss] : [shade.loss, shade.gain];
    const [aboveWash, belowWash] = long ? [shade.gainWash, shade.lossWash] : [shade.lossWash, shade.gainWash];
    const series = chart.addSeries(BaselineSeries, {
      baseValue: { type: "price", price: Number(row.entryPrice) },
      topLineColor: above,
      topFillColor1: aboveWash,
      topFillColor2: shade.clear,
      bottomLineColor: below,
      bottomFillColor1: shade.clear,
      bottomFillColor2: belowWash,
      lineWidth: 2,
      priceFormat: { type: "price", precision: digits, minMove: 1 / 10 ** digits },
      autoscaleInfoProvider: (original: () => { priceRange: { minValue: number; maxValue: number } | null } | null) => {
        const found = original()?.priceRange;
        const { low, high } = levels.current;
        return {
          priceRange: {
            minValue: Math.min(low, found?.minValue ?? low),
            maxValue: Math.max(high, found?.maxValue ?? high),
          },
        };
      },
    });
    chart.timeScale().applyOptions({ rightOffset: 2 });
    drawn.current = { chart, series };
    return () => {
      drawn.current = null;
      chart.remove();
    };
  }, [key, row.type, row.entryPrice, digits, colours]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: a new theme or symbol has a new chart
  useEffect(() => {
    const series = drawn.current?.series;
    if (!series) return;
    const shade = palette();
    const lines: IPriceLine[] = [];
    const line = (price: Decimal | null, color: string, title: string, style: LineStyle) => {
      if (price !== null) {
        lines.push(
          series.createPriceLine({
            price: Number(price),
            color,
            title,
            lineStyle: style,
            lineWidth: 1,
            axisLabelVisible: true,
          }),
        );
      }
    };
    const held = (enforced: boolean, draft: Decimal | null) =>
      enforced && draft === null ? LineStyle.Solid : LineStyle.Dashed;
    line(row.entryPrice, shade.muted, "entry", LineStyle.Dotted);
    line(stop, shade.loss, drafts["stop-loss"] ? "new stop" : "stop", held(row.stopLossEnforced, drafts["stop-loss"]));
    line(
      target,
      shade.gain,
      drafts["take-profit"] ? "new target" : "target",
      held(row.takeProfitEnforced, drafts["take-profit"]),
    );
    const shown = [row.entryPrice, stop, target].filter((price): price is Decimal => price !== null).map(Number);
    levels.current = { low: Math.min(...shown), high: Math.max(...shown) };
    return () => {
      if (drawn.current?.series !== series) return;
      for (const one of lines) series.removePriceLine(one);
    };
  }, [stop, target, row.entryPrice, row.stopLossEnforced, row.takeProfitEnforced, drafts, colours, key]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: each turn of the prices is a reason
  useEffect(() => {
    const now = drawn.current;
    if (!now) return;
    now.series.setData(seenPrices(key).map((seen) => ({ time: seen.time as never, value: seen.value })));
    now.chart.timeScale().fitContent();
    const frame = requestAnimationFrame(() => requestAnimationFrame(settle));
    return () => cancelAnimationFrame(frame);
  }, [turn, key, settle, colours]);

  useEffect(() => {
    const watcher = new ResizeObserver(() => requestAnimationFrame(settle));
    if (box.current) watcher.observe(box.current);
    return () => watcher.disconnect();
  }, [settle]);

  const drag = (kind: LevelKind) => (event: PointerEvent) => {
    const handle = event.currentTarget as HTMLElement;
    handle.setPointerCapture(event.pointerId);
    event.preventDefault();
    const top = box.current?.getBoundingClientRect().top ?? 0;
    const move = (moved: PointerEvent) => {
      const price = drawn.current?.series.coordinateToPrice(moved.clientY - top);
      if (price && price > 0) draw(kind, price.toFixed(digits));
    };
    const end = () => {
      handle.removeEventListener("pointermove", move);
      handle.removeEventListener("pointerup", end);
      handle.removeEventListener("pointercancel", end);
    };
    handle.addEventListener("pointermove", move);
    handle.addEventListener("pointerup", end);
    handle.addEventListener("pointercancel", end);
  };

  const nudge = (kind: LevelKind, price: Decimal) => (event: KeyboardEvent) => {
    const step = { ArrowUp: 1, ArrowDown: -1, PageUp: 10, PageDown: -10 }[event.key];
    if (!step) return;
    event.preventDefault();
    draw(kind, (Number(price) * (1 + step / 1000)).toFixed(digits));
  };

  return (
    <div class="price-chart">
      <div class="canvas" ref={box} aria-hidden="true" />
      {!fixedLevels &&
        KINDS.map((kind) => {
          const [price, place] = [kind === "stop-loss" ? stop : target, places[kind]];
          if (price === null || place === null) return null;
          return (
            <div
              key={kind}
              class={`handle ${kind}`}
              style={{ top: `${place}px` }}
              role="slider"
              tabIndex={0}
              aria-label={`${NAMES[kind]} of ${row.pair}`}
              aria-orientation="vertical"
              aria-valuenow={Number(price)}
              aria-valuetext={formatPrice(price, row.entryPrice)}
              aria-valuemin={0}
              title="Drag, or use the arrow keys; nothing is set before you say so"
              onPointerDown={drag(kind)}
              onKeyDown={nudge(kind, price)}
            />
          );
        })}
    </div>
  );
}
