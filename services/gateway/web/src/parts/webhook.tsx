/** Where alerts are posted to. Its secret is shown once, with a button that copies it. */
import { useState } from "preact/hooks";
import { useAct } from "../act";
import { readWebhook, removeWebhook, setWebhook, type Webhook } from "../api/alerts";
import { formatMoment, formatTime } from "../format";
import { useFacts } from "../live/happenings";
import { useLoad } from "../load";
import { notify } from "../notices";
import { Icon } from "./icons";
import { Failure, Loading } from "./states";

export function WebhookPanel() {
  const webhook = useLoad("webhook", readWebhook);
  const [secret, setSecret] = useState<string | null>(null);
  const [editing, setEditing] = useState(false);
  useFacts(["alert_triggered"], webhook.reload);
  const held = webhook.value;
  return (
    <section class="panel" aria-label="Webhook">
      <header class="exchange-head">
        <h2>Webhook</h2>
        {held && <span class="muted">since {formatMoment(held.createdAt)}</span>}
      </header>
      {webhook.error !== null && <Failure error={webhook.error} retry={webhook.reload} />}
      {webhook.loading && !held && webhook.error === null && <Loading what="webhook" rows={1} />}
      {secret !== null && <Secret secret={secret} seen={() => setSecret(null)} />}
      {webhook.error === null && !webhook.loading && (!held || editing) && (
        <Address
          held={held}
          set={(made) => {
            setSecret(made);
            setEditing(false);
            webhook.reload();
          }}
          leave={held ? () => setEditing(false) : undefined}
        />
      )}
      {held && !editing && <Held webhook={held} edit={() => setEditing(true)} removed={webhook.reload} />}
    </section>
  );
}

function Secret({ secret, seen }: { secret: string; seen: () => void }) {
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(secret);
      notify("The secret is copied");
    } catch {
      notify("This browser does not let us copy: mark the text and copy it yourself", "failed");
    }
  };
  return (
    <div class="advice" role="status">
      <p>
        <b>The secret of its signature, shown this once:</b>
      </p>
      <p class="secret">
        <code>{secret}</code>
      </p>
      <p>
        Each post carries <code>X-Tandem-Signature: t=…,v1=…</code>, the HMAC-SHA256 of “t.body” with it. Keep it where
        the receiver finds it, and nowhere else.
      </p>
      <p class="actions">
        <button type="button" class="small primary" onClick={() => void copy()}>
          Copy the secret
        </button>
        <button type="button" class="small" onClick={seen}>
          I have kept it
        </button>
      </p>
    </div>
  );
}

interface AddressProps {
  held: Webhook | null;
  set: (secret: string) => void;
  leave: (() => void) | undefined;
}

function Address({ held, set, leave }: AddressProps) {
  const [url, setUrl] = useState("");
  const { busy, error, run } = useAct();
  const submit = async (event: Event) => {
    event.preventDefault();
    await run(async (key) => set((await setWebhook(url.trim(), key)).secret));
  };
  return (
    <form class="form" onSubmit={(event) => void submit(event)}>
      <p class="says">
        Alerts that ask for it, and whatever Tandem has to tell unasked, are posted there as JSON, signed, and tried
        again where it does not answer.{held ? " A new address has a new secret." : ""}
      </p>
      <label>
        Address <span class="muted">https, reachable by anybody</span>
        <input
          type="url"
          value={url}
          onInput={(event) => setUrl(event.currentTarget.value)}
          placeholder="https://hooks.example.com/tandem"
          autocomplete="off"
          spellcheck={false}
          required
        />
      </label>
      {error && (
        <p class="says bad" role="alert">
          {error}
        </p>
      )}
      <p class="actions">
        {leave && (
          <button type="button" onClick={leave}>
            Leave it
          </button>
        )}
        <button type="submit" class="primary" disabled={busy || !url.trim()}>
          {busy ? "Asking…" : "Set webhook"}
        </button>
      </p>
    </form>
  );
}

const TONES = { pending: "idle", delivered: "good", failed: "bad" } as const;

function Held({ webhook, edit, removed }: { webhook: Webhook; edit: () => void; removed: () => void }) {
  const { busy, error, run } = useAct();
  const remove = async () => {
    if (await run((key) => removeWebhook(key))) {
      notify("Nothing is posted any more");
      removed();
    }
  };
  return (
    <>
      <p class="pad">
        <code class="address">{webhook.url}</code>
      </p>
      {webhook.deliveries.length > 0 ? (
        <ul class="keys deliveries" aria-label="Deliveries">
          {webhook.deliveries.map((one) => (
            <li key={one.eventId}>
              <span class={`token ${TONES[one.state]}`}>
                <Icon
                  name={one.state === "failed" ? "warning" : one.state === "pending" ? "sync" : "check"}
                  size={14}
                />
                <span>{one.state}</span>
              </span>
              <span class="muted figure">
                {one.lastAttemptAt ? formatTime(one.lastAttemptAt) : "not tried yet"}
                {Number(one.attempts) > 1 && ` · ${one.attempts} tries`}
                {one.result && ` · ${one.result}`}
              </span>
            </li>
          ))}
        </ul>
      ) : (
        <p class="muted pad">Nothing has been posted yet.</p>
      )}
      {error && (
        <p class="says bad pad" role="alert">
          {error}
        </p>
      )}
      <p class="actions pad">
        <button type="button" class="small" onClick={edit} disabled={busy}>
          Change
        </button>
        <button type="button" class="small quiet" onClick={() => void remove()} disabled={busy}>
          Remove <span class="hidden">the webhook</span>
        </button>
      </p>
    </>
  );
}
