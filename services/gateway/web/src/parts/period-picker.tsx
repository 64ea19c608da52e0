/** Which closed positions a page is about: a period or days, and an exchange, a symbol, a flow. */
import { type Choice, PERIODS } from "../api/performance";
import { exchangeName } from "../format";

interface Props {
  choice: Choice;
  choose: (change: Partial<Choice>) => void;
  symbols: readonly string[];
}

const NAMES: Record<Choice["period"], string> = {
  "24h": "24 h",
  "7d": "7 d",
  "30d": "30 d",
  "90d": "90 d",
  "1y": "1 y",
  all: "All",
  days: "Days…",
};

export function PeriodPicker({ choice, choose }: Props) {
  return (
    <fieldset class="segments">
      <legend class="hidden">Period</legend>
      {([...PERIODS, "days"] as const).map((one) => (
        <label key={one}>
          <input type="radio" name="period" checked={one === choice.period} onChange={() => choose({ period: one })} />
          <span>{NAMES[one]}</span>
        </label>
      ))}
    </fieldset>
  );
}

export function ChoiceFilters({ choice, choose, symbols }: Props) {
  const set = (name: "from" | "to" | "exchange" | "symbol" | "flow") => (event: Event) =>
    choose({ [name]: (event.currentTarget as HTMLInputElement).value });
  const narrowed = choice.exchange || choice.symbol || choice.flow;
  return (
    <search class="filters choices" aria-label="Which positions">
      {choice.period === "days" && (
        <>
          <label>
            From <input type="date" value={choice.from} max={choice.to || undefined} onChange={set("from")} />
          </label>
          <label>
            to <input type="date" value={choice.to} min={choice.from || undefined} onChange={set("to")} />
          </label>
        </>
      )}
      <select aria-label="Exchange" value={choice.exchange} onChange={set("exchange")}>
        <option value="">All exchanges</option>
        {["binance", "bybit"].map((one) => (
          <option key={one} value={one}>
            {exchangeName(one)}
          </option>
        ))}
      </select>
      <input
        type="search"
        placeholder="Symbol"
        aria-label="Symbol"
        list="closed-symbols"
        value={choice.symbol}
        onChange={set("symbol")}
      />
      <datalist id="closed-symbols">
        {symbols.map((one) => (
          <option key={one} value={one} />
        ))}
      </datalist>
      <input type="search" placeholder="Flow" aria-label="Flow" value={choice.flow} onChange={set("flow")} />
      {narrowed && (
        <button type="button" class="small quiet" onClick={() => choose({ exchange: "", symbol: "", flow: "" })}>
          Show all
        </button>
      )}
    </search>
  );
}
