/** One level of a position: what holds now, and a new price for it. Nothing is set before its button is pressed. */
import { useState } from "preact/hooks";
import { ApiError, newKey } from "../api/client";
import { type Choice, type LevelKind, readFeatures, setLevel } from "../api/routes";
import type { Level, Row } from "../api/types";
import type { Decimal } from "../decimal";
import { formatPnl, formatPrice, tone } from "../format";
import { noteChanged, refresh } from "../live/positions";
import { percentOf } from "../live/sentences";
import { useLoad } from "../load";
import { notify } from "../notices";
import { gainAt, refuseDistance, refuseLevel, typedDistance, typedPrice } from "../outlook";

interface Props {
  kind: LevelKind;
  row: Row;
  level: Level | null;
  version: string | null;
  draft: Decimal | null;
  setDraft: (price: Decimal | null) => void;
  changed: () => void;
}

const NAMES: Record<LevelKind, { name: string; noun: string }> = {
  "stop-loss": { name: "Stop-loss", noun: "stop" },
  "take-profit": { name: "Take-profit", noun: "target" },
};

function describe(level: Level | null, enforced: boolean, kind: LevelKind): string {
  if (level?.rule === "none") return "none";
  const rule = level?.rule === "trailing" ? `trails at ${percentOf(level.distance ?? "0")}` : level ? "pinned" : "";
  const projection = kind === "take-profit" && level?.rule === "trailing" ? "a projection, never fired" : null;
  const held = enforced ? "enforced by Tandem" : (projection ?? "shown only, not traded");
  return rule ? `${rule}, ${held}` : held;
}

function tellChoice(choice: Choice): string {
  if (choice === null) return "taken away";
  return "price" in choice
    ? `at ${formatPrice(choice.price)}, enforced`
    : `trails at ${percentOf(choice.distance)}, enforced`;
}

export function LevelEditor({ kind, row, level, version, draft, setDraft, changed }: Props) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const [trailing, setTrailing] = useState(false);
  const { name, noun } = NAMES[kind];
  const stop = kind === "stop-loss";
  const now = stop ? row.stopLoss : row.takeProfit;
  const enforced = stop ? row.stopLossEnforced : row.takeProfitEnforced;
  const typed = draft === null ? null : typedPrice(draft);
  const features = useLoad("features", readFeatures);
  // A stop can trail where the gateway takes distances; a target that trails is never fired, so it is not offered.
  const trails = stop && (features.value?.has("POST /api/positions/{position_id}/manage") ?? false);
  const follows = trails && (trailing || typed?.endsWith("%") === true);
  const distance = draft !== null && follows ? typedDistance(draft.includes("%") ? draft : `${draft}%`) : null;
  const refused = typed === null ? null : follows ? refuseDistance(distance ?? "0") : refuseLevel(row, kind, typed);
  const would = distance
    ? null
    : typed !== null && !refused
      ? gainAt(row, typed)
      : now === null
        ? null
        : gainAt(row, now);
  const id = `${kind}-${row.id}`;

  const apply = async (choice: Choice) => {
    if (!row.id) return;
    setBusy(true);
    setError(null);
    try {
      noteChanged(await setLevel(row.id, kind, choice, version, newKey()));
      setDraft(null);
      changed();
      void refresh();
      notify(`${row.pair}: ${noun} ${tellChoice(choice)}`);
    } catch (failure) {
      setError(failure instanceof ApiError ? failure.message : String(failure));
      changed();
    } finally {
      setBusy(false);
    }
  };

  const submit = (event: Event) => {
    event.preventDefault();
    if (typed !== null && !refused && !busy) void apply(distance ? { distance } : { price: typed });
  };

  return (
    <form class={`level ${kind}`} onSubmit={submit} noValidate>
      <label for={id}>{name}</label>
      {trails && (
        <fieldset class="segments tiny">
          <legend class="hidden">What the {noun} goes by</legend>
          {[false, true].map((way) => (
            <label key={String(way)}>
              <input
                type="radio"
                name={`${id}-way`}
                checked={trailing === way}
                onChange={() => {
                  setTrailing(way);
                  setDraft(null);
                }}
              />
              <span>{way ? "Trail %" : "Price"}</span>
            </label>
          ))}
        </fieldset>
      )}
      <p class="held">{describe(level, enforced, kind)}</p>
      <div class="entry-row">
        <input
          id={id}
          inputMode="decimal"
          autocomplete="off"
          value={draft ?? ""}
          placeholder={
            trailing
              ? level?.rule === "trailing"
                ? percentOf(level.distance ?? "0")
                : "such as 1.5 %"
              : now === null
                ? "none"
                : formatPrice(now, row.entryPrice)
          }
          title={trails ? "A price, or a distance such as 1.5 % to trail at" : undefined}
          aria-invalid={refused ? "true" : undefined}
          aria-describedby={`${id}-says`}
          onInput={(event) => {
            const text = event.currentTarget.value;
            setError(null);
            setDraft(text.trim() === "" ? null : text);
          }}
          onKeyDown={(event) => event.key === "Escape" && setDraft(null)}
        />
        <button type="submit" class="primary small" disabled={typed === null || refused !== null || busy || !row.id}>
          {busy ? "Setting…" : `Set ${noun}`}
        </button>
        {now !== null && draft === null && (
          <button type="button" class="small quiet" disabled={busy || !row.id} onClick={() => void apply(null)}>
            Remove <span class="hidden">the {noun}</span>
          </button>
        )}
        {draft !== null && (
          <button type="button" class="small quiet" onClick={() => setDraft(null)}>
            Undo
          </button>
        )}
      </div>
      <p id={`${id}-says`} class={error || refused ? "says bad" : "says"} role={error ? "alert" : undefined}>
        {error ??
          refused ??
          (distance ? (
            `Follows the price at ${percentOf(distance)}, and only ever in your favour.`
          ) : would === null ? (
            "Nothing is set."
          ) : (
            <>
              If it fires there: <b class={`figure ${tone(would)}`}>{formatPnl(would)}</b> before fees
            </>
          ))}
      </p>
    </form>
  );
}
