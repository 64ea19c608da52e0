/** Asks before a position is closed, and says what will happen. */
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError, newKey } from "../api/client";
import { closePosition } from "../api/routes";
import type { Row } from "../api/types";
import { exchangeName, formatPnl, formatPrice, formatQuantity, tone } from "../format";
import { refresh } from "../live/positions";
import { notify } from "../notices";

export function CloseDialog({ row, done }: { row: Row; done: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  // One key for as long as it is not known whether the close took effect: pressing again never closes twice.
  const key = useRef(newKey());
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);

  useEffect(() => {
    dialog.current?.showModal();
  }, []);

  const close = async () => {
    if (!row.id) return;
    setBusy(true);
    setError(null);
    try {
      const closed = await closePosition(row.id, key.current);
      notify(`${row.pair} closed${closed.exitPrice ? ` at ${formatPrice(closed.exitPrice)}` : ""}`);
      void refresh();
      done();
    } catch (failure) {
      const known = failure instanceof ApiError;
      setError(known ? failure.message : String(failure));
      if (known && !failure.passing && failure.status < 500) key.current = newKey();
      setBusy(false);
    }
  };

  const long = row.type === "LONG";
  const size = `${formatQuantity(row.quantity)} ${row.pair}`;
  return (
    <dialog
      ref={dialog}
      class="dialog"
      aria-labelledby="close-title"
      onCancel={(event) => {
        event.preventDefault();
        if (!busy) done();
      }}
    >
      <h2 id="close-title">
        Close {row.pair} {row.type.toLowerCase()}?
      </h2>
      <ul class="plan">
        <li>
          Tandem {long ? "sells" : "buys"} <b class="figure">{size}</b> at market on {exchangeName(row.exchange)},
          reduce-only: it can only make this position smaller.
        </li>
        <li>
          At the present price of <b class="figure">{formatPrice(row.currentPrice, row.entryPrice)}</b> that realises
          about <b class={`figure ${tone(row.pnl)}`}>{formatPnl(row.pnl)}</b>, before fees. The market decides the exact
          price.
        </li>
        {!row.managed && (
          <li>You opened this position at the exchange yourself. Tandem trades it because you ask for it.</li>
        )}
        <li>Its stop and target end with it. This cannot be undone.</li>
      </ul>
      {error && (
        <p class="says bad" role="alert">
          {error}
        </p>
      )}
      <div class="actions">
        <button type="button" onClick={done} disabled={busy}>
          Keep it open
        </button>
        <button type="button" class="danger" onClick={() => void close()} disabled={busy}>
          {busy ? "Closing…" : `Close ${size}`}
        </button>
      </div>
    </dialog>
  );
}
