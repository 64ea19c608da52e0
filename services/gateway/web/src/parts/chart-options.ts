/** What all charts have in common. */
import { type ChartOptions, ColorType, type DeepPartial, type Time } from "lightweight-charts";
import { palette } from "./palette";

const clock = (time: Time, withDay: boolean): string => {
  const moment = new Date(Number(time) * 1000);
  const hour = moment.toLocaleTimeString([], {
    hour: "2-digit",
    minute: "2-digit",
    second: withDay ? undefined : "2-digit",
    hour12: false,
  });
  return withDay ? `${moment.toLocaleDateString([], { month: "short", day: "2-digit" })} ${hour}` : hour;
};

export function chartOptions(withDay: boolean): DeepPartial<ChartOptions> {
  const colours = palette();
  return {
    autoSize: true,
    layout: {
      background: { type: ColorType.Solid, color: colours.clear },
      textColor: colours.muted,
      fontFamily: getComputedStyle(document.body).fontFamily,
      fontSize: 11,
      // The mark would need a style of its own in the page, which the policy forbids: Settings names its makers.
      attributionLogo: false,
      panes: { separatorColor: colours.line, enableResize: false },
    },
    grid: { vertLines: { visible: false }, horzLines: { color: colours.line, style: 4 } },
    rightPriceScale: { borderVisible: false, minimumWidth: 84 },
    timeScale: {
      borderVisible: false,
      timeVisible: true,
      secondsVisible: !withDay,
      tickMarkFormatter: (time: Time) => clock(time, withDay),
    },
    localization: { timeFormatter: (time: Time) => clock(time, withDay) },
    handleScroll: false,
    handleScale: false,
  };
}
