/** Asks before a position, or a part of it, is closed, and says what will happen. */
import { useEffect, useRef, useState } from "preact/hooks";
import { useAct } from "../act";
import { closePosition } from "../api/routes";
import type { Position, Row } from "../api/types";
import { compare, type Decimal } from "../decimal";
import { exchangeName, formatAmount, formatPnl, formatPrice, formatQuantity, tone } from "../format";
import { operations, refresh } from "../live/positions";
import { notify } from "../notices";
import { outlookOfClose, refuseQuantity, shareOf, typedPrice } from "../outlook";
import { Icon } from "./icons";
import { useModal } from "./modal";

interface Props {
  row: Row;
  position: Position | null;
  done: () => void;
}

const SHARES = [25, 50, 75, 100];

export function CloseDialog({ row, position, done }: Props) {
  const dialog = useModal();
  const keep = useRef<HTMLButtonElement>(null);
  const [text, setText] = useState<string | null>(null);
  const { busy, error, unsure, run } = useAct();
  const { pauses } = operations.use();

  useEffect(() => {
    // Not the quantity: on a phone its keyboard would cover what is about to happen.
    keep.current?.focus();
  }, []);

  const refused = text === null ? null : refuseQuantity(row, text);
  const quantity: Decimal = text === null || refused ? row.quantity : typedPrice(text);
  const whole = compare(quantity, row.quantity) >= 0;
  const outlook = outlookOfClose(row, quantity, position?.entry ?? null);
  const size = `${formatQuantity(quantity)} ${row.pair}`;

  const close = async () => {
    const id = row.id;
    if (!id || refused) return;
    const closed = await run(async (key) => {
      const answer = await closePosition(id, whole ? null : quantity, key);
      const part = whole ? row.pair : size;
      notify(`${part} closed${answer.exitPrice ? ` at ${formatPrice(answer.exitPrice, row.entryPrice)}` : ""}`);
    });
    if (closed) {
      void refresh();
      done();
    }
  };

  const long = row.type === "LONG";
  const stopped = pauses?.pause.closingPaused || pauses?.everybody.closingPaused;
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
      <div class="how-much">
        <label for="close-quantity">How much</label>
        <input
          id="close-quantity"
          inputMode="decimal"
          autocomplete="off"
          value={text ?? formatQuantity(row.quantity)}
          aria-invalid={refused ? "true" : undefined}
          disabled={unsure}
          onInput={(event) => setText(event.currentTarget.value)}
        />
        <fieldset class="segments">
          <legend class="hidden">Share</legend>
          {SHARES.map((share) => {
            const part = shareOf(row.quantity, share);
            return (
              <label key={share}>
                <input
                  type="radio"
                  name="share"
                  checked={!refused && compare(part, quantity) === 0}
                  disabled={unsure || compare(part, "0") === 0}
                  onChange={() => setText(share === 100 ? null : part)}
                />
                <span>{share} %</span>
              </label>
            );
          })}
        </fieldset>
      </div>
      {refused ? (
        <p class="says bad" role="alert">
          {refused}
        </p>
      ) : (
        <ul class="plan">
          <li>
            Tandem {long ? "sells" : "buys"} <b class="figure">{size}</b> at market on {exchangeName(row.exchange)},
            reduce-only: it can only make this position smaller.
          </li>
          <li>
            At about <b class="figure">{formatPrice(row.currentPrice, row.entryPrice)}</b> that realises{" "}
            <b class={`figure ${tone(outlook.gain)}`}>{formatPnl(outlook.gain)}</b> before fees. The market decides the
            exact price.
          </li>
          <li>
            {outlook.fee !== null ? (
              <>
                The order costs a fee of about <b class="figure">{formatAmount(outlook.fee)}</b> (
                <span class="figure">{Number(outlook.feePercent)} %</span>, as at entry). With what the entry cost,{" "}
                <b class={`figure ${tone(outlook.net)}`}>{formatPnl(outlook.net)}</b> is left.
              </>
            ) : (
              "The exchange takes its taker fee from that."
            )}
          </li>
          {!row.managed && (
            <li>You opened this position at the exchange yourself. Tandem trades it because you ask for it.</li>
          )}
          <li>
            {whole ? (
              "Its stop and target end with it. This cannot be undone."
            ) : (
              <>
                <b class="figure">{formatQuantity(outlook.left)}</b> stays open, with its stop and target.
              </>
            )}
          </li>
        </ul>
      )}
      {stopped && (
        <p class="banner bad">
          <Icon name="warning" />
          <span>Closing is paused: the exchange itself is the only place where it can be closed now.</span>
        </p>
      )}
      {error && (
        <p class="says bad" role="alert">
          {error}
          {unsure &&
            " Whether it was closed is not known. Pressing again asks for the same close: it is never done twice."}
        </p>
      )}
      <div class="actions">
        <button type="button" ref={keep} onClick={done} disabled={busy}>
          {unsure ? "Leave it" : "Keep it open"}
        </button>
        <button type="button" class="danger" onClick={() => void close()} disabled={busy || refused !== null}>
          {busy ? "Closing…" : unsure ? "Ask again" : `Close ${size}`}
        </button>
      </div>
    </dialog>
  );
}
