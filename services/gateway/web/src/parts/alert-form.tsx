/** Writes a new alert, or changes one. */
import { useState } from "preact/hooks";
import { useAct } from "../act";
import { type AlertDraft, bodyOf, changesOf, draftOf, KINDS, NEEDS, NEW_ALERT, refuseAlert } from "../alert-draft";
import { type Alert, type AlertKind, changeAlert, createAlert } from "../api/alerts";
import { exchangeName } from "../format";
import { operations } from "../live/positions";
import { alertName, tellAlert } from "../live/sentences";
import { notify } from "../notices";

interface Props {
  /** The alert that is changed; null for a new one. */
  alert: Alert | null;
  done: () => void;
  leave?: () => void;
}

export function AlertForm({ alert, done, leave }: Props) {
  const [draft, setDraft] = useState<AlertDraft>(alert ? draftOf(alert) : NEW_ALERT);
  const [tried, setTried] = useState(false);
  const { busy, error, forget, run } = useAct();
  const open = operations.use().shown.filter((one) => !one.closed && one.row.id);
  const needs = NEEDS[draft.kind];
  const refused = refuseAlert(draft);
  const set = (change: Partial<AlertDraft>) => {
    forget();
    setDraft((before) => ({ ...before, ...change }));
  };
  const text = (name: "symbol" | "threshold" | "note" | "exchange" | "positionId") => (event: Event) =>
    set({ [name]: (event.currentTarget as HTMLInputElement).value });
  const flag = (name: "repeating" | "webhook") => (event: Event) =>
    set({ [name]: (event.currentTarget as HTMLInputElement).checked });
  const id = alert ? `alert-${alert.id}` : "alert-new";

  const submit = async (event: Event) => {
    event.preventDefault();
    setTried(true);
    if (refused || busy) return;
    const kept = await run((key) =>
      alert ? changeAlert(alert.id, changesOf(alert, draft), key) : createAlert(bodyOf(draft), key),
    );
    if (!kept) return;
    notify(alert ? "The alert is changed and armed" : `${alertName(draft.kind)}: you will be told`);
    if (!alert) setDraft({ ...NEW_ALERT, kind: draft.kind, exchange: draft.exchange, symbol: draft.symbol });
    setTried(false);
    done();
  };

  return (
    <form class="form" onSubmit={(event) => void submit(event)} noValidate>
      {!alert && (
        <label>
          Tell me when
          <select
            value={draft.kind}
            onChange={(event) => set({ kind: event.currentTarget.value as AlertKind, threshold: "" })}
          >
            {KINDS.map((kind) => (
              <option key={kind} value={kind}>
                {QUESTIONS[kind]}
              </option>
            ))}
          </select>
        </label>
      )}
      {!alert && needs.symbol && (
        <div class="fields">
          <label>
            Exchange
            <select value={draft.exchange} onChange={text("exchange")}>
              {["binance", "bybit"].map((one) => (
                <option key={one} value={one}>
                  {exchangeName(one)}
                </option>
              ))}
            </select>
          </label>
          <label>
            Symbol
            <input value={draft.symbol} onInput={text("symbol")} list={`${id}-symbols`} autocomplete="off" />
            <datalist id={`${id}-symbols`}>
              {[...new Set(open.map((one) => one.row.pair))].map((pair) => (
                <option key={pair} value={pair} />
              ))}
            </datalist>
          </label>
        </div>
      )}
      {!alert && needs.position && (
        <label>
          Position
          <select value={draft.positionId} onChange={text("positionId")}>
            <option value="">Every position of mine</option>
            {open.map(({ row }) => (
              <option key={row.id} value={row.id ?? ""}>
                {row.pair} {row.type.toLowerCase()} on {exchangeName(row.exchange)}
              </option>
            ))}
          </select>
        </label>
      )}
      {needs.unit !== null && (
        <div class="fields">
          {needs.direction && (
            <label>
              Direction
              <select
                value={draft.direction}
                disabled={alert !== null}
                onChange={(event) => set({ direction: event.currentTarget.value as "above" | "below" })}
              >
                <option value="above">rises above</option>
                <option value="below">falls below</option>
              </select>
            </label>
          )}
          <label>
            Threshold <span class="muted">{needs.unit}</span>
            <input
              value={draft.threshold}
              onInput={text("threshold")}
              inputMode="decimal"
              autocomplete="off"
              aria-invalid={tried && refused ? "true" : undefined}
            />
          </label>
        </div>
      )}
      <label>
        Note <span class="muted">to yourself</span>
        <input value={draft.note} onInput={text("note")} maxLength={280} autocomplete="off" />
      </label>
      <label class="check">
        <input type="checkbox" checked={draft.repeating} onChange={flag("repeating")} />
        <span>Again and again, each time that it comes back; otherwise once</span>
      </label>
      <label class="check">
        <input type="checkbox" checked={draft.webhook} onChange={flag("webhook")} />
        <span>Also post it to the webhook</span>
      </label>
      {!refused && !alert && <p class="says">You are told when {tellAlert(preview(draft))}.</p>}
      {((tried && refused) || error) && (
        <p class="says bad" role="alert">
          {error ?? refused}
        </p>
      )}
      <p class="actions">
        {leave && (
          <button type="button" onClick={leave} disabled={busy}>
            Leave it
          </button>
        )}
        <button type="submit" class="primary" disabled={busy}>
          {busy ? "Keeping…" : alert ? "Save and arm" : "Add alert"}
        </button>
      </p>
    </form>
  );
}

const QUESTIONS: Record<AlertKind, string> = {
  price_target: "a price is reached",
  profit_amount: "a profit or loss is reached",
  profit_percent: "a profit or loss in percent is reached",
  stop_moved: "a stop moves",
  position_closed: "a position closes",
  liquidation_near: "liquidation comes near",
  feed_stale: "prices stop coming",
  reconciliation_suspicious: "what an exchange says is in doubt",
};

/** The alert that a draft would become, for its sentence. */
function preview(draft: AlertDraft): Alert {
  const needs = NEEDS[draft.kind];
  const threshold = needs.unit === null ? null : String(Number.isNaN(Number(draft.threshold)) ? 0 : draft.threshold);
  return {
    ...draft,
    exchange: needs.symbol ? draft.exchange : null,
    symbol: needs.symbol ? draft.symbol.trim().toUpperCase() : null,
    positionId: needs.position && draft.positionId ? draft.positionId : null,
    threshold,
    id: "",
    hysteresis: null,
    active: true,
    createdAt: null,
    lastTriggeredAt: null,
    timesTriggered: "0",
    version: "0",
  };
}
