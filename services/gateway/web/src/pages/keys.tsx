/** The accounts at exchanges: their keys go in here, and never come out. */
import { useState } from "preact/hooks";
import { ApiError, newKey } from "../api/client";
import { addKey, changeKey, readFeatures, readKeys, removeKey, verifyKey } from "../api/routes";
import type { Key } from "../api/types";
import { exchangeName, formatMoment } from "../format";
import { refresh } from "../live/positions";
import { useLoad } from "../load";
import { notify } from "../notices";
import { Icon } from "../parts/icons";
import { Empty, Failure, Loading } from "../parts/states";

export function KeysPage() {
  const keys = useLoad("keys", readKeys);
  const features = useLoad("features", readFeatures);
  return (
    <>
      <header class="page-head">
        <h1>Keys</h1>
      </header>
      {keys.error !== null && <Failure error={keys.error} retry={keys.reload} />}
      <div class="two-columns">
        <section class="panel" aria-label="Your accounts">
          <header class="exchange-head">
            <h2>Your accounts</h2>
            {keys.value && <span class="muted">{keys.value.length}</span>}
          </header>
          {keys.loading && !keys.value && <Loading what="keys" rows={2} />}
          {keys.value?.length === 0 && (
            <Empty icon="keys" title="No key yet">
              <p>Make a key at your exchange as advised beside, and add it here.</p>
            </Empty>
          )}
          <ul class="keys">
            {keys.value?.map((key) => (
              <Account key={key.id} account={key} features={features.value} changed={keys.reload} />
            ))}
          </ul>
        </section>
        <AddKey added={keys.reload} />
      </div>
    </>
  );
}

interface AccountProps {
  account: Key;
  features: ReadonlySet<string> | null;
  changed: () => void;
}

const ONE = "/api/user-api-keys/{key_id}";

function Account({ account, features, changed }: AccountProps) {
  const [busy, setBusy] = useState(false);
  const [leaving, setLeaving] = useState(false);

  const carryOut = async (work: () => Promise<unknown>, done: string) => {
    setBusy(true);
    try {
      await work();
      notify(`${account.name || exchangeName(account.exchange)}: ${done}`);
      changed();
      void refresh();
    } catch (failure) {
      notify(failure instanceof ApiError ? failure.message : String(failure), "failed");
    } finally {
      setBusy(false);
      setLeaving(false);
    }
  };

  const { id, tradingEnabled } = account;
  return (
    <li>
      <div>
        <b>{account.name || exchangeName(account.exchange)}</b>
        <span class="muted">
          {exchangeName(account.exchange)} · <code>{account.apiKey}</code>
        </span>
        <small class="muted">
          added {formatMoment(account.createdAt)}
          {account.ipRestricted === false && ", not restricted to an IP address"}
        </small>
        {account.refusal && <small class="loss">{account.refusal}</small>}
      </div>
      <div class="tokens">
        <span class={account.verified ? "token good" : "token bad"}>
          <Icon name={account.verified ? "check" : "warning"} size={14} />
          <span>{account.verified ? "verified" : "not verified"}</span>
        </span>
        <span class={tradingEnabled ? "token good" : "token idle"}>
          <Icon name="operations" size={14} />
          <span>{tradingEnabled ? "may trade" : "reads only"}</span>
        </span>
      </div>
      <div class="actions">
        {features?.has(`POST ${ONE}/verify`) && (
          <button
            type="button"
            class="small"
            disabled={busy}
            onClick={() => void carryOut(() => verifyKey(id, newKey()), "asked again")}
          >
            Verify
          </button>
        )}
        {features?.has(`PATCH ${ONE}`) && (
          <button
            type="button"
            class="small"
            disabled={busy}
            onClick={() =>
              void carryOut(
                () => changeKey(id, { tradingEnabled: !tradingEnabled }, newKey()),
                tradingEnabled ? "only read from now on" : "may trade",
              )
            }
          >
            {tradingEnabled ? "Stop trading" : "Allow trading"}
          </button>
        )}
        {features?.has(`DELETE ${ONE}`) && (
          <button
            type="button"
            class={leaving ? "small danger" : "small quiet"}
            disabled={busy}
            onClick={() => (leaving ? void carryOut(() => removeKey(id, newKey()), "removed") : setLeaving(true))}
          >
            {leaving ? "Remove for good" : "Remove"}
          </button>
        )}
      </div>
    </li>
  );
}

const NOTHING = { exchange: "binance", apiKey: "", apiSecret: "", name: "", tradingEnabled: true };
const PERMISSIONS: Record<string, string[]> = {
  binance: ["Enable Reading", "Enable Futures (only if Tandem may close for you)"],
  bybit: ["Contract: Orders and Positions (read-only if Tandem may not close for you)", "Unified Trading account"],
};

function AddKey({ added }: { added: () => void }) {
  const [fields, setFields] = useState(NOTHING);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const set = (name: "exchange" | "apiKey" | "apiSecret" | "name") => (event: Event) =>
    setFields((before) => ({ ...before, [name]: (event.currentTarget as HTMLInputElement).value }));

  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      const key = await addKey(
        { ...fields, apiKey: fields.apiKey.trim(), apiSecret: fields.apiSecret.trim(), name: fields.name.trim() },
        newKey(),
      );
      notify(`${exchangeName(key.exchange)} added: ${key.verified ? "verified" : "not verified yet"}`);
      setFields({ ...NOTHING, exchange: fields.exchange });
      added();
      void refresh();
    } catch (failure) {
      setError(failure instanceof ApiError ? failure.message : String(failure));
    } finally {
      setBusy(false);
    }
  };

  return (
    <section class="panel" aria-label="Add a key">
      <header class="exchange-head">
        <h2>Add a key</h2>
      </header>
      <div class="advice">
        <p>
          <Icon name="shield" size={16} /> Make a key for Tandem alone, with exactly these permissions:
        </p>
        <ul>
          {PERMISSIONS[fields.exchange]?.map((permission) => (
            <li key={permission}>{permission}</li>
          ))}
          <li>
            <b>Never withdrawals.</b> A key that may withdraw is refused.
          </li>
        </ul>
        <p>
          Restrict it to the IP address of the machine on which Tandem runs: {exchangeName(fields.exchange)} then
          refuses it from anywhere else
          {fields.exchange === "bybit" ? ", and it does not expire after three months" : ""}. The secret is kept
          encrypted, and is never shown again.
        </p>
      </div>
      <form class="form" onSubmit={(event) => void submit(event)}>
        <fieldset class="segments">
          <legend>Exchange</legend>
          {["binance", "bybit"].map((exchange) => (
            <label key={exchange}>
              <input
                type="radio"
                name="exchange"
                value={exchange}
                checked={fields.exchange === exchange}
                onChange={set("exchange")}
              />
              <span>{exchangeName(exchange)}</span>
            </label>
          ))}
        </fieldset>
        <label>
          Name <span class="muted">as you like, for yourself</span>
          <input value={fields.name} onInput={set("name")} maxLength={64} autocomplete="off" />
        </label>
        <label>
          API key
          <input value={fields.apiKey} onInput={set("apiKey")} required autocomplete="off" spellcheck={false} />
        </label>
        <label>
          API secret
          <input
            type="password"
            value={fields.apiSecret}
            onInput={set("apiSecret")}
            required
            autocomplete="new-password"
          />
        </label>
        <label class="check">
          <input
            type="checkbox"
            checked={fields.tradingEnabled}
            onChange={(event) => {
              const tradingEnabled = event.currentTarget.checked;
              setFields((before) => ({ ...before, tradingEnabled }));
            }}
          />
          <span>Tandem may close positions with it: needed for levels that are enforced</span>
        </label>
        {error && (
          <p class="says bad" role="alert">
            {error}
          </p>
        )}
        <button type="submit" class="primary" disabled={busy || !fields.apiKey.trim() || !fields.apiSecret.trim()}>
          {busy ? `Asking ${exchangeName(fields.exchange)}…` : "Add key"}
        </button>
      </form>
    </section>
  );
}
