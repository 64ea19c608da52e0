/** What one wants to be told of, what has been told, and where it is posted to. */
import { useState } from "preact/hooks";
import { useAct } from "../act";
import { type Alert, changeAlert, readAlerts, readTriggered, removeAlert, type Triggered } from "../api/alerts";
import { Figure } from "../api/json";
import { capital, formatMoment, formatPrice } from "../format";
import { useFacts } from "../live/happenings";
import { alertName, tellAlert, tellTriggered } from "../live/sentences";
import { usePages } from "../load";
import { notify } from "../notices";
import { AlertForm } from "../parts/alert-form";
import { Icon } from "../parts/icons";
import { REACHABLE } from "../parts/reachable";
import { Empty, Failure, Loading, More } from "../parts/states";
import { WebhookPanel } from "../parts/webhook";
import { Link } from "../router";

export function AlertsPage() {
  const alerts = usePages("alerts", readAlerts);
  const told = usePages("triggered", readTriggered);
  useFacts(["alert_triggered"], () => {
    alerts.reload();
    told.reload();
  });
  return (
    <>
      <header class="page-head">
        <h1>Alerts</h1>
      </header>
      <div class="two-columns uneven">
        <div>
          <section class="panel" aria-label="Your alerts">
            <header class="exchange-head">
              <h2>Your alerts</h2>
              {alerts.rows && <span class="muted">{alerts.rows.filter((one) => one.active).length} armed</span>}
            </header>
            {alerts.error !== null && <Failure error={alerts.error} retry={alerts.reload} />}
            {alerts.loading && !alerts.rows && <Loading what="alerts" rows={2} />}
            {alerts.rows?.length === 0 && (
              <Empty icon="alerts" title="No alert yet">
                <p>Say beside what you want to be told of. What goes wrong with a position is told unasked.</p>
              </Empty>
            )}
            <ul class="keys">
              {alerts.rows?.map((alert) => (
                <Line key={alert.id} alert={alert} changed={alerts.reload} />
              ))}
            </ul>
            <More pages={alerts} />
          </section>
          <section class="panel feed-list" aria-label="Told" hidden={told.error !== null && !told.rows}>
            <header class="exchange-head">
              <h2>Told</h2>
            </header>
            {told.error !== null && <Failure error={told.error} retry={told.reload} />}
            {told.loading && !told.rows && <Loading what="told alerts" rows={2} />}
            {told.rows?.length === 0 && <p class="muted pad">Nothing has been told yet.</p>}
            <ol {...REACHABLE}>
              {told.rows?.map((one) => (
                <ToldLine key={one.id} one={one} />
              ))}
            </ol>
            <More pages={told} />
          </section>
        </div>
        <div>
          <section class="panel" aria-label="New alert">
            <header class="exchange-head">
              <h2>New alert</h2>
            </header>
            <AlertForm alert={null} done={alerts.reload} />
          </section>
          <WebhookPanel />
        </div>
      </div>
    </>
  );
}

function Line({ alert, changed }: { alert: Alert; changed: () => void }) {
  const [editing, setEditing] = useState(false);
  const { busy, error, run } = useAct();
  const { id, active, timesTriggered } = alert;
  const times = Number(timesTriggered);
  const fired = !active && times > 0;

  const carryOut = async (work: (key: string) => Promise<unknown>, done: string) => {
    if (await run(work)) notify(`${alertName(alert.kind)}: ${done}`);
    changed();
  };
  const arm = (on: boolean) =>
    carryOut(
      (key) => changeAlert(id, { active: on, expectedVersion: new Figure(alert.version) }, key),
      on ? "armed" : "switched off",
    );

  return (
    <li class={active ? "alert-line" : "alert-line off"}>
      <div>
        <b>{capital(tellAlert(alert))}</b>
        {alert.note && <span class="muted">“{alert.note}”</span>}
        <small class="muted">
          {alert.repeating ? "each time" : "once"}
          {alert.webhook && ", posted to the webhook"}
          {times > 0 &&
            `, told ${times === 1 ? "once" : `${times} times`}, last ${formatMoment(alert.lastTriggeredAt)}`}
        </small>
        {error && (
          <small class="loss" role="alert">
            {error}
          </small>
        )}
      </div>
      <span class={active ? "token good" : "token idle"}>
        <Icon name={active ? "alerts" : fired ? "check" : "close"} size={14} />
        <span>{active ? "armed" : fired ? "has fired" : "off"}</span>
      </span>
      <div class="actions">
        <button type="button" class="small" disabled={busy} onClick={() => void arm(!active)}>
          {active ? "Switch off" : "Arm again"}
        </button>
        <button
          type="button"
          class="small"
          disabled={busy}
          onClick={() => setEditing(!editing)}
          aria-expanded={editing}
        >
          Edit
        </button>
        <button
          type="button"
          class="small quiet"
          disabled={busy}
          onClick={() => void carryOut((key) => removeAlert(id, key), "deleted")}
        >
          Delete
        </button>
      </div>
      {editing && (
        <div class="editor">
          <AlertForm
            key={alert.version}
            alert={alert}
            done={() => {
              setEditing(false);
              changed();
            }}
            leave={() => setEditing(false)}
          />
        </div>
      )}
    </li>
  );
}

function ToldLine({ one }: { one: Triggered }) {
  const told = tellTriggered(one);
  const at = one.price ? `at ${formatPrice(one.price)}` : "";
  return (
    <li>
      <time class="figure" dateTime={one.timestamp ?? undefined}>
        {formatMoment(one.timestamp)}
      </time>
      <div>
        {one.positionId ? <Link to={`/positions/${one.positionId}`}>{told.title}</Link> : <b>{told.title}</b>}
        <p>{[told.detail, at].filter(Boolean).join(", ")}</p>
      </div>
      {one.alertId === null && <span class="badge plain">unasked</span>}
    </li>
  );
}
