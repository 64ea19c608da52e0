/** What is to be opened: where, what, how much, and where it ends. */
import type { Key } from "../api/types";
import { formatPrice } from "../format";
import type { LevelDraft, LevelWay, OpenDraft, Purpose, Refusals, SizeWay } from "../open-draft";
import { accountName } from "./accounts";
import { Field, faultOf, TextField } from "./field";

interface Props {
  purpose: Purpose;
  draft: OpenDraft;
  change: (change: Partial<OpenDraft>) => void;
  accounts: readonly Key[];
  /** What may be meant, for the lists of the inputs. */
  symbols: readonly string[];
  flows: readonly string[];
  /** The present price, where it is known here. */
  price: string | null;
  refusals: Refusals;
}

const SIZES: Record<SizeWay, { name: string; unit: string }> = {
  notional: { name: "Notional", unit: "USDT" },
  quantity: { name: "Quantity", unit: "coins" },
  risk: { name: "Risk", unit: "% of equity, lost at the stop" },
};

export function OpenForm({ purpose, draft, change, accounts, symbols, flows, price, refusals }: Props) {
  const text = (name: "flow" | "node" | "symbol" | "size" | "leverage" | "account") => (event: Event) =>
    change({ [name]: (event.currentTarget as HTMLInputElement).value });
  const account = accounts.find((one) => one.id === draft.account);
  return (
    <div class="open-form">
      {purpose === "flow" && (
        <div class="fields">
          <TextField
            id="open-flow"
            label="Flow"
            error={refusals.flow}
            value={draft.flow}
            onInput={text("flow")}
            list="open-flows"
            maxLength={128}
            placeholder="trend-following"
          />
          <Choices id="open-flows" of={flows} />
          <TextField
            id="open-node"
            label="Node"
            hint="optional"
            error={refusals.node}
            value={draft.node}
            onInput={text("node")}
            maxLength={128}
          />
        </div>
      )}
      <div class="fields">
        <Field id="open-account" label="Account" error={refusals.account}>
          <select {...faultOf("open-account", refusals.account)} value={draft.account} onChange={text("account")}>
            {!account && <option value="">Choose one</option>}
            {accounts.map((one) => {
              const able = one.verified && one.tradingEnabled;
              return (
                <option key={one.id} value={one.id} disabled={!able}>
                  {accountName(one)}
                  {able ? "" : one.verified ? " (reads only)" : " (not verified)"}
                </option>
              );
            })}
          </select>
        </Field>
        <TextField
          id="open-symbol"
          label="Symbol"
          hint={price === null ? undefined : <span class="figure">now {formatPrice(price)}</span>}
          error={refusals.symbol}
          class="symbol"
          value={draft.symbol}
          onInput={text("symbol")}
          list="open-symbols"
          maxLength={40}
          autocapitalize="characters"
          placeholder="BTCUSDT"
        />
        <Choices id="open-symbols" of={symbols} />
      </div>
      <div class="fields">
        <div class="field">
          <span class="label" aria-hidden="true">
            Side
          </span>
          <fieldset class="segments sides">
            <legend class="hidden">Side</legend>
            {(["long", "short"] as const).map((side) => (
              <label key={side} class={side}>
                <input type="radio" name="open-side" checked={draft.side === side} onChange={() => change({ side })} />
                <span>{side === "long" ? "Long" : "Short"}</span>
              </label>
            ))}
          </fieldset>
        </div>
        <TextField
          id="open-leverage"
          label="Leverage"
          hint="optional"
          error={refusals.leverage}
          value={draft.leverage}
          onInput={text("leverage")}
          inputMode="numeric"
          placeholder="as it is"
        />
      </div>
      <Field id="open-size" label="Size" hint={SIZES[draft.sizeWay].unit} error={refusals.size}>
        <div class="sizes">
          <fieldset class="segments tiny ways">
            <legend class="hidden">What the size is stated in</legend>
            {(Object.keys(SIZES) as SizeWay[]).map((way) => (
              <label key={way}>
                <input
                  type="radio"
                  name="open-size-way"
                  checked={draft.sizeWay === way}
                  onChange={() => change({ sizeWay: way, size: "" })}
                />
                <span>{SIZES[way].name}</span>
              </label>
            ))}
          </fieldset>
          <input
            {...faultOf("open-size", refusals.size)}
            value={draft.size}
            onInput={text("size")}
            inputMode="decimal"
            autocomplete="off"
            placeholder={
              draft.sizeWay === "risk" ? "such as 1" : draft.sizeWay === "notional" ? "such as 500" : undefined
            }
          />
        </div>
      </Field>
      <div class="fields levels-choice">
        <LevelChoice kind="stop" level={draft.stop} error={refusals.stop} choose={(stop) => change({ stop })} />
        <LevelChoice
          kind="target"
          level={draft.target}
          error={refusals.target}
          choose={(target) => change({ target })}
        />
      </div>
    </div>
  );
}

const WAYS: [LevelWay, string][] = [
  ["price", "Price"],
  ["trail", "Trail %"],
  ["none", "None"],
];
const NAMES = { stop: "Stop-loss", target: "Take-profit" };
const USUAL = { stop: "2", target: "4" };

interface LevelProps {
  kind: "stop" | "target";
  level: LevelDraft;
  error: string | undefined;
  choose: (level: LevelDraft) => void;
}

function LevelChoice({ kind, level, error, choose }: LevelProps) {
  const id = `open-${kind}`;
  const trails = level.way === "trail";
  const says =
    level.way === "none"
      ? kind === "stop"
        ? "Nothing but liquidation ends a loss."
        : "It stays open until something else ends it."
      : trails
        ? kind === "stop"
          ? "Follows the price, and only ever in your favour."
          : "Moves with the price: shown, and never fired."
        : "Enforced from the start.";
  return (
    <Field id={id} label={NAMES[kind]} error={error}>
      <fieldset class="segments tiny ways">
        <legend class="hidden">What the {NAMES[kind].toLowerCase()} goes by</legend>
        {WAYS.map(([way, name]) => (
          <label key={way}>
            <input
              type="radio"
              name={`${id}-way`}
              checked={level.way === way}
              onChange={() => choose({ way, text: way === "trail" ? USUAL[kind] : "" })}
            />
            <span>{name}</span>
          </label>
        ))}
      </fieldset>
      <input
        {...faultOf(id, error)}
        value={level.way === "none" ? "" : level.text}
        disabled={level.way === "none"}
        onInput={(event) => choose({ way: level.way, text: event.currentTarget.value })}
        inputMode="decimal"
        autocomplete="off"
        placeholder={level.way === "none" ? "none" : trails ? "such as 1.5" : "a price"}
      />
      {!error && <p class="says">{says}</p>}
    </Field>
  );
}

function Choices({ id, of }: { id: string; of: readonly string[] }) {
  return (
    <datalist id={id}>
      {of.map((one) => (
        <option key={one} value={one} />
      ))}
    </datalist>
  );
}
