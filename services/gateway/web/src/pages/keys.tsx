/** The accounts at exchanges: their keys go in here, and never come out. */
import { useState } from "preact/hooks";
import { explain, useAct } from "../act";
import { newKey } from "../api/client";
import { addKey, changeKey, type KeyChanges, readKeys, removeKey, verifyKey } from "../api/routes";
import type { Key } from "../api/types";
import { exchangeName, formatMoment } from "../format";
import { refresh } from "../live/positions";
import { useLoad } from "../load";
import { notify } from "../notices";
import { Icon } from "../parts/icons";
import { Empty, Failure, Loading } from "../parts/states";

export function KeysPage() {
  const keys = useLoad("keys", readKeys);
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
              <Account key={key.id} account={key} changed={keys.reload} />
            ))}
          </ul>
        </section>
        <AddKey added={keys.reload} />
      </div>
    </>
  );
}

function Account({ account, changed }: { account: Key; changed: () => void }) {
  const [leaving, setLeaving] = useState(false);
  const { busy, error, run } = useAct();
  const name = account.name || exchangeName(account.exchange);

  const carryOut = async (work: (key: string) => Promise<unknown>, done: string) => {
    if (await run(work)) notify(`${name}: ${done}`);
    setLeaving(false);
    changed();
    void refresh();
  };
  // What was pressed stands until the account is read anew.
  const [pressed, setPressed] = useState<{ of: Key; changes: KeyChanges } | null>(null);
  const change = async (changes: KeyChanges, done: string) => {
    setPressed({ of: account, changes });
    if (await run((key) => changeKey(id, changes, key))) notify(`${name}: ${done}`);
    else setPressed(null);
    changed();
    void refresh();
  };

  const { id } = account;
  const { tradingEnabled, autoManage, triggerPrice } =
    pressed?.of === account ? { ...account, ...pressed.changes } : account;
  const last = triggerPrice === "last";
  return (
    <li class="account">
      <div>
        <b>{name}</b>
        <span class="muted">
          {exchangeName(account.exchange)} · <code>{account.apiKey}</code>
        </span>
        <small class="muted">
          added {formatMoment(account.createdAt)}
          {account.verifiedAt && `, verified ${formatMoment(account.verifiedAt)}`}
        </small>
        {account.ipRestricted === false && (
          <small class="doubt">
            <Icon name="warning" size={13} /> Not restricted to an IP address: restrict it at{" "}
            {exchangeName(account.exchange)}, then verify it again.
          </small>
        )}
        {account.canTrade === false && (
          <small class="muted">The exchange lets it read only: levels cannot be enforced with it.</small>
        )}
        {account.refusal && <small class="loss">{account.refusal}</small>}
        {error && (
          <small class="loss" role="alert">
            {error}
          </small>
        )}
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
      <div class="switches">
        <label class="switch">
          <input
            type="checkbox"
            checked={tradingEnabled}
            disabled={busy}
            onChange={() =>
              void change({ tradingEnabled: !tradingEnabled }, tradingEnabled ? "only read from now on" : "may trade")
            }
          />
          <span>
            Trading
            <small class="muted">
              {tradingEnabled
                ? "Tandem may open and close positions with it"
                : "levels are shown, and none is enforced"}
            </small>
          </span>
        </label>
        <label class="switch">
          <input
            type="checkbox"
            checked={autoManage ?? false}
            disabled={busy}
            onChange={() =>
              void change(
                { autoManage: !autoManage },
                autoManage ? "what you open there is only observed" : "what you open there is managed from the start",
              )
            }
          />
          <span>
            Manage what I open elsewhere
            <small class="muted">counts for positions that are adopted from now on</small>
          </span>
        </label>
        <fieldset class="segments tiny">
          <legend>Levels go by</legend>
          {(["mark", "last"] as const).map((one) => (
            <label key={one}>
              <input
                type="radio"
                name={`trigger-${id}`}
                checked={last === (one === "last")}
                disabled={busy}
                onChange={() => void change({ triggerPrice: one }, `levels go by the ${one} price`)}
              />
              <span>{one} price</span>
            </label>
          ))}
        </fieldset>
      </div>
      <div class="actions">
        <button
          type="button"
          class="small"
          disabled={busy}
          onClick={() => void carryOut((key) => verifyKey(id, key), "the exchange was asked again")}
        >
          Verify again
        </button>
        <button
          type="button"
          class={leaving ? "small danger" : "small quiet"}
          disabled={busy}
          onClick={() => (leaving ? void carryOut((key) => removeKey(id, key), "removed") : setLeaving(true))}
        >
          {leaving ? "Remove for good" : "Remove"}
        </button>
      </div>
    </li>
  );
}

const NOTHING = { exchange: "binance", apiKey: "", apiSecret: "", name: "", tradingEnabled: true };
const PERMISSIONS: Record<string, string[]> = {
  binance: ["Enable Reading", "Enable Futures (only if Tandem may trade for you)"],
  bybit: ["Contract: Orders and Positions (read-only if Tandem may not trade for you)", "Unified Trading account"],
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
      setError(explain(failure));
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
          <span>Tandem may open and close positions with it: needed for levels that are enforced</span>
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
