/** Figures that keep their width, say their exact value, and flash softly when they change. */
import { useEffect, useRef, useState } from "preact/hooks";
import { compare, type Decimal } from "../decimal";
import { formatPercent, formatPnl, formatPrice, tone } from "../format";

function useFlash(value: Decimal | null): "" | "up" | "down" {
  const last = useRef(value);
  const [flash, setFlash] = useState<"" | "up" | "down">("");
  useEffect(() => {
    const before = last.current;
    last.current = value;
    if (before === null || value === null || before === value) return;
    setFlash(compare(value, before) > 0 ? "up" : "down");
    const timer = setTimeout(() => setFlash(""), 450);
    return () => clearTimeout(timer);
  }, [value]);
  return flash;
}

export function Price({ value, like }: { value: Decimal | null; like?: Decimal | null }) {
  const flash = useFlash(value);
  return (
    <span class={`figure flash ${flash}`} title={value ?? undefined}>
      {formatPrice(value, like)}
    </span>
  );
}

interface PnlProps {
  value: Decimal | null;
  percent?: Decimal | null;
  large?: boolean;
}

export function Pnl({ value, percent, large }: PnlProps) {
  return (
    <span class={`pnl ${tone(value)} ${large ? "large" : ""}`} title={value ?? undefined}>
      <span class="figure">{formatPnl(value)}</span>
      {percent !== undefined && <small class="figure">{formatPercent(percent)}</small>}
    </span>
  );
}
