/** The curve of what was gained, with the drawdown beneath it. */
import { AreaSeries, BaselineSeries, createChart, HistogramSeries, LineType } from "lightweight-charts";
import { useEffect, useRef } from "preact/hooks";
import type { EquityPoint } from "../equity";
import { theme } from "../theme";
import { chartOptions } from "./chart-options";
import { palette } from "./palette";

const DAY_MILLISECONDS = 86_400_000;

/** From the first to the last point. */
function lasting(points: readonly EquityPoint[]): number {
  return Date.parse(points.at(-1)?.at ?? "") - Date.parse(points[0]?.at ?? "") || 0;
}

/** The points with times in whole seconds of their own: what closed in one second is drawn in seconds that follow. */
function bySecond(points: readonly EquityPoint[]): [number, EquityPoint][] {
  let last = 0;
  return points.map((point) => {
    last = Math.max(last + 1, Math.floor(Date.parse(point.at) / 1000));
    return [last, point];
  });
}

export function EquityChart({ points }: { points: readonly EquityPoint[] }) {
  const box = useRef<HTMLDivElement>(null);
  const colours = theme.use();

  // biome-ignore lint/correctness/useExhaustiveDependencies: the theme is read from the page
  useEffect(() => {
    if (!box.current) return;
    const shade = palette();
    const chart = createChart(box.current, chartOptions(lasting(points) > DAY_MILLISECONDS));
    const total = chart.addSeries(BaselineSeries, {
      baseValue: { type: "price", price: 0 },
      topLineColor: shade.gain,
      topFillColor1: shade.gainWash,
      topFillColor2: shade.clear,
      bottomLineColor: shade.loss,
      bottomFillColor1: shade.clear,
      bottomFillColor2: shade.lossWash,
      lineWidth: 2,
      lineType: LineType.WithSteps,
      priceLineVisible: false,
      title: "P&L",
    });
    const few = points.length < 40;
    const down = few
      ? chart.addSeries(
          AreaSeries,
          {
            lineColor: shade.loss,
            topColor: shade.clear,
            bottomColor: shade.lossWash,
            invertFilledArea: true,
            lineWidth: 1,
            lineType: LineType.WithSteps,
            priceLineVisible: false,
            title: "drawdown",
          },
          1,
        )
      : chart.addSeries(HistogramSeries, { color: shade.loss, priceLineVisible: false, title: "drawdown" }, 1);
    const entries = bySecond(points);
    const first = entries[0]?.[0] ?? 0;
    total.setData([
      { time: (first - 60) as never, value: 0 },
      ...entries.map(([time, point]) => ({ time: time as never, value: Number(point.total) })),
    ]);
    down.setData([
      { time: (first - 60) as never, value: 0 },
      ...entries.map(([time, point]) => ({ time: time as never, value: Number(point.drawdown) })),
    ]);
    chart.panes()[1]?.setHeight(80);
    chart.timeScale().fitContent();
    return () => chart.remove();
  }, [points, colours]);

  return <div class="equity-chart" ref={box} role="img" aria-label="Equity curve of closed positions, with drawdown" />;
}
