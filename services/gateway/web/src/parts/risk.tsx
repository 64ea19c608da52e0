/** How near the worst is: the way left to liquidation, and how much of the account's margin is used up. */
import type { Live, Row } from "../api/types";
import { type Decimal, multiply } from "../decimal";
import { formatAmount, formatPrice } from "../format";
import { wayLeft } from "../outlook";

interface BarProps {
  name: string;
  /** 0 to 100. */
  filled: number;
  level: "low" | "medium" | "high";
  says: string;
  title: string;
}

function Bar({ name, filled, level, says, title }: BarProps) {
  const width = Math.min(100, Math.max(1, filled));
  return (
    <div class={`risk ${level}`} title={title}>
      <span class="muted">{name}</span>
      <b class="figure">{says}</b>
      <svg class="bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
        <rect class="track" width="100" height="6" />
        <rect class="fill" width={width} height="6" />
      </svg>
    </div>
  );
}

/** Beyond so many percent of way left, the bar of the risk is empty. */
const FAR_PERCENT = 50;

export function RiskBars({ row, live }: { row: Row; live: Live | null }) {
  const way = wayLeft(row.currentPrice, live?.liquidationPrice ?? null);
  const used = live?.marginLevel ?? null;
  if (way === null && used === null) return null;
  const usedPercent: Decimal | null = used === null ? null : multiply(used, "100");
  const risk = live?.riskLevel === "high" || live?.riskLevel === "medium" ? live.riskLevel : "low";
  const share = Number(usedPercent ?? "0");
  return (
    <div class="risks">
      {way !== null && (
        <Bar
          name="Liquidation"
          filled={((FAR_PERCENT - Math.min(FAR_PERCENT, Number(way))) / FAR_PERCENT) * 100}
          level={risk}
          says={`${Number(way).toFixed(1)} % away`}
          title={`At ${formatPrice(live?.liquidationPrice, row.entryPrice)}: ${risk} risk`}
        />
      )}
      {usedPercent !== null && (
        <Bar
          name="Account margin"
          filled={share}
          level={share >= 80 ? "high" : share >= 50 ? "medium" : "low"}
          says={`${share.toFixed(share < 10 ? 1 : 0)} % used`}
          title={`Maintenance margin of the account's equity; 100 % is liquidation${
            live?.margin ? `. This position binds ${formatAmount(live.margin)}` : ""
          }`}
        />
      )}
    </div>
  );
}
