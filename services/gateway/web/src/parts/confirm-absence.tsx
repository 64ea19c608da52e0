/** An operator's word that positions are really gone: what it does is said before it counts. */
import { useState } from "preact/hooks";
import { useAct } from "../act";
import { confirmAbsence, missingOf, readAccount } from "../api/reconciliation";
import { exchangeName, formatInstant, readable } from "../format";
import { useLoad } from "../load";
import { notify } from "../notices";
import { Icon } from "./icons";
import { useModal } from "./modal";
import { Failure, Loading } from "./states";

interface Props {
  accountId: string;
  done: () => void;
  leave: () => void;
}

export function ConfirmAbsence({ accountId, done, leave }: Props) {
  const dialog = useModal();
  const account = useLoad(accountId, () => readAccount(accountId));
  const [chosen, setChosen] = useState<string | null>(null);
  const [note, setNote] = useState("");
  const [looked, setLooked] = useState(false);
  const { busy, error, unsure, run } = useAct();

  const missing = account.value ? missingOf(account.value.runs, account.value.found) : [];
  const [first] = missing;
  const venue = first ? exchangeName(first.exchange) : "The exchange";
  const covered = chosen === null ? missing.length : 1;
  const rows = covered === 1 ? "1 position" : `${covered} positions`;

  const submit = async (event: Event) => {
    event.preventDefault();
    if (busy || !looked || !note.trim() || !first) return;
    const kept = await run(async (key) => {
      // One that is alone is named: another that goes missing meanwhile is not what was confirmed.
      const only = missing.length === 1 ? (first.positionId ?? null) : chosen;
      const ids = await confirmAbsence(accountId, only, note.trim(), key);
      notify(`Confirmed: ${ids.join(", ")}. ${venue} is read again now.`);
    });
    if (kept) done();
  };

  return (
    <dialog
      ref={dialog}
      class="dialog"
      aria-labelledby="absence-title"
      onCancel={(event) => {
        event.preventDefault();
        if (!busy) leave();
      }}
    >
      <form class="absence" onSubmit={(event) => void submit(event)}>
        <h2 id="absence-title">
          {missing.length === 1 ? "Is this position really gone?" : "Are these positions really gone?"}
        </h2>
        {account.error !== null && <Failure error={account.error} retry={account.reload} />}
        {account.loading && !account.value && <Loading what="missing positions" rows={2} />}
        {account.value && !first && (
          <p>Nothing is missing of this account any more: what was last read of it lists everything, or explains it.</p>
        )}
        {first && (
          <>
            <p class="says">
              {venue} did not list {missing.length === 1 ? "it" : "them"} {formatInstant(first.foundAt)}, and no fill
              says how {missing.length === 1 ? "it" : "they"} ended. User <b>{first.userId}</b>, account{" "}
              <code>{accountId}</code>
            </p>
            <fieldset class="missing" disabled={unsure || busy}>
              <legend class="hidden">Which</legend>
              {missing.length > 1 && (
                <label class="choice">
                  <input type="radio" name="missing" checked={chosen === null} onChange={() => setChosen(null)} />
                  <span>
                    <b>All {missing.length}</b>
                  </span>
                </label>
              )}
              {missing.map((one) => (
                <label key={one.positionId} class="choice">
                  <input
                    type="radio"
                    name="missing"
                    checked={missing.length === 1 || chosen === one.positionId}
                    onChange={() => setChosen(one.positionId)}
                  />
                  <span>
                    <b>{one.symbol}</b> <span class="muted figure">{one.positionId}</span>
                    <small class="muted">{readable(one.evidence)}</small>
                  </span>
                </label>
              ))}
            </fieldset>
            <ul class="plan">
              <li>
                The books close {covered === 1 ? "it" : "them"} at the next complete reading that misses{" "}
                {covered === 1 ? "it" : "them"} too, with an <b>estimated exit</b>: no price, no profit, in no figure
                until fills are found.
              </li>
              <li>
                <b>Stops and targets end with {covered === 1 ? "it" : "them"}.</b> A position that is there after all
                stays open at {venue} without a stop, until a reading lists it and it is adopted anew.
              </li>
              <li>No order is placed. It cannot be taken back, and is on record with your name and your note.</li>
            </ul>
            <label class="note">
              How do you know?
              <textarea
                rows={2}
                value={note}
                disabled={unsure || busy}
                onInput={(event) => setNote(event.currentTarget.value)}
                maxLength={500}
                placeholder="the exchange's support says that it was liquidated"
                required
              />
            </label>
            <label class="check">
              <input type="checkbox" checked={looked} onChange={(event) => setLooked(event.currentTarget.checked)} />
              <span>I have looked at the account at {venue} itself.</span>
            </label>
          </>
        )}
        {error && (
          <p class="banner bad" role="alert">
            <Icon name="warning" />
            <span>
              {error}
              {unsure && " Press again: the same word counts once."}
            </span>
          </p>
        )}
        <div class="actions last">
          <button type="button" onClick={leave} disabled={busy}>
            {first ? "Do not confirm" : "Leave"}
          </button>
          {first && (
            <button type="submit" class="danger" disabled={busy || !looked || !note.trim()}>
              {busy ? "Keeping your word…" : `Confirm ${rows} gone`}
            </button>
          )}
        </div>
      </form>
    </dialog>
  );
}
