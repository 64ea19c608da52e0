/** For administrators: the state of everything, reconciling a user, pausing everybody, and who did what. */
import { useState } from "preact/hooks";
import { explain, useAct } from "../act";
import { type AdminStatus, readAdminStatus, readAudit, reconcileUser, setPlan } from "../api/admin";
import { isDecimal } from "../decimal";
import { capital, exchangeName, formatDuration, formatMoment, words } from "../format";
import { useLoad, usePages } from "../load";
import { notify } from "../notices";
import { AdminHead, ForAdministrators } from "../parts/admin-head";
import { Facts } from "../parts/facts";
import { Icon } from "../parts/icons";
import { PauseSettings } from "../parts/pause-settings";
import { REACHABLE } from "../parts/reachable";
import { Failure, Loading, More } from "../parts/states";
import { VenueTable } from "../parts/venue-table";
import { Link } from "../router";
import type { Session } from "../session";

export function AdminPage({ session }: { session: Session }) {
  if (session.role !== "admin") return <ForAdministrators session={session} />;
  return (
    <>
      <AdminHead at="/admin" />
      <div class="two-columns">
        <div>
          <State />
          <PauseSettings everybody />
        </div>
        <div>
          <OneUser />
          <Audit />
        </div>
      </div>
    </>
  );
}

function State() {
  const status = useLoad("admin", readAdminStatus);
  return (
    <section class="panel" aria-label="Services">
      <header class="exchange-head">
        <h2>Services</h2>
        {status.value && (
          <span class={status.value.status === "operational" ? "token good" : "token bad"}>
            <span>{status.value.status}</span>
          </span>
        )}
        <button type="button" class="small end" onClick={status.reload} disabled={status.loading}>
          <Icon name="sync" size={15} /> Ask again
        </button>
      </header>
      {status.error !== null && <Failure error={status.error} retry={status.reload} />}
      {status.loading && !status.value && <Loading what="services" rows={3} />}
      {status.value && <Everything status={status.value} />}
    </section>
  );
}

function Everything({ status }: { status: AdminStatus }) {
  const { gateway, reconciliation } = status;
  return (
    <>
      <ul class="keys">
        {Object.entries(status.services).map(([name, service]) => (
          <li key={name}>
            <b>{capital(name)}</b>
            <span class={service.status === "active" ? "token good" : "token bad"}>
              <Icon name={service.status === "active" ? "check" : "warning"} size={14} />
              <span>{service.status}</span>
            </span>
            {service.status !== "active" && (
              <small class="muted wide">
                {Object.entries(service.parts)
                  .filter(([, state]) => state !== "SERVING")
                  .map(([part, state]) => `${part}: ${words(state)}`)
                  .join("; ")}
              </small>
            )}
          </li>
        ))}
      </ul>
      <Facts
        facts={[
          ["Sockets", gateway.sockets],
          ["Users watching", gateway.users],
          ["Bus", gateway.busConnected ? "connected" : "not connected"],
          ["Facts behind", gateway.lag ?? "not known"],
        ]}
      />
      <VenueTable venues={status.venues} />
      {reconciliation ? (
        <>
          <Facts
            facts={[
              ["Accounts", reconciliation.accounts],
              ["Interval", formatDuration(Number(reconciliation.interval))],
              ["Overdue", reconciliation.overdue],
              ["Failing", reconciliation.failing],
              ["In doubt", reconciliation.suspicious],
              ["Estimated exits", reconciliation.estimatedExits],
              ["Found", reconciliation.discrepanciesFound],
              ["Repaired", reconciliation.discrepanciesRepaired],
            ]}
          />
          <p class="pad">
            {reconciliation.attention.length > 0 && (
              <span class="token doubt">
                <Icon name="warning" size={14} />
                <span>
                  {reconciliation.attention.length}{" "}
                  {reconciliation.attention.length === 1 ? "account needs" : "accounts need"} attention
                </span>
              </span>
            )}{" "}
            <Link to="/admin/reconciliation">Runs, differences and evidence</Link>
          </p>
        </>
      ) : (
        <p class="muted pad">The reconciler does not answer.</p>
      )}
    </>
  );
}

function OneUser() {
  const [user, setUser] = useState("");
  const [plan, setPlanName] = useState("");
  const [percent, setPercent] = useState("");
  const [said, setSaid] = useState<string | null>(null);
  const { busy, error, run } = useAct();
  const id = user.trim();

  const reconcile = async () => {
    await run(async (key) => {
      const done = await reconcileUser(id, key);
      const lines = done.runs.map(
        (one) => `${exchangeName(one.exchange)}: ${words(one.result)}${one.reason ? ` (${one.reason})` : ""}`,
      );
      setSaid(lines.join("; ") || "This user has no account.");
    });
  };
  const charge = async (event: Event) => {
    event.preventDefault();
    await run(async (key) => {
      await setPlan(id, plan.trim(), percent, key);
      notify(`${id}: plan ${plan.trim()}, ${percent} % of realised profit`);
    });
  };

  return (
    <section class="panel" aria-label="One user">
      <header class="exchange-head">
        <h2>One user</h2>
      </header>
      <form class="form" onSubmit={(event) => void charge(event)}>
        <label>
          User
          <input value={user} onInput={(event) => setUser(event.currentTarget.value)} autocomplete="off" />
        </label>
        <p class="actions start">
          <button type="button" class="small" disabled={busy || !id} onClick={() => void reconcile()}>
            <Icon name="sync" size={15} /> Reconcile now
          </button>
        </p>
        {said && (
          <p class="says" role="status">
            {said}
          </p>
        )}
        <div class="fields">
          <label>
            Plan
            <input value={plan} onInput={(event) => setPlanName(event.currentTarget.value)} maxLength={64} />
          </label>
          <label>
            Commission <span class="muted">%</span>
            <input value={percent} onInput={(event) => setPercent(event.currentTarget.value)} inputMode="decimal" />
          </label>
        </div>
        {error && (
          <p class="says bad" role="alert">
            {error}
          </p>
        )}
        <p class="actions">
          <button type="submit" class="small" disabled={busy || !id || !plan.trim() || !isDecimal(percent)}>
            Set plan
          </button>
        </p>
      </form>
    </section>
  );
}

function Audit() {
  const [user, setUser] = useState("");
  const pages = usePages(user, async (cursor) => {
    const page = await readAudit(user.trim(), cursor);
    return { rows: page.entries, nextCursor: page.nextCursor };
  });
  return (
    <section class="panel feed-list audit" aria-label="Audit">
      <header class="exchange-head">
        <h2>Audit</h2>
        <div class="filters">
          <input
            type="search"
            placeholder="User"
            aria-label="User of the audit"
            value={user}
            onChange={(event) => setUser(event.currentTarget.value)}
          />
        </div>
      </header>
      {pages.error !== null && <p class="says bad pad">{explain(pages.error)}</p>}
      {pages.loading && !pages.rows && <Loading what="audit" rows={3} />}
      {pages.rows?.length === 0 && <p class="muted pad">Nothing was written.</p>}
      {pages.rows && pages.rows.length > 0 && (
        <ol {...REACHABLE}>
          {pages.rows.map((one) => {
            const refused = one.status !== null && Number(one.status) >= 400;
            const details = Object.entries(one.details)
              .filter(([, value]) => value !== null)
              .map(([name, value]) => `${camelWords(name)} ${tellDetail(value)}`);
            return (
              <li key={`${one.requestId}${one.timestamp}`}>
                <time class="figure" dateTime={one.timestamp}>
                  {formatMoment(one.timestamp)}
                </time>
                <div>
                  <b>
                    {words(one.action)} {one.target && <span class="muted">{one.target}</span>}
                  </b>
                  <p>
                    {one.userId}
                    {one.role !== "user" && `, ${one.role}`}
                    {details.length > 0 && ` · ${details.join(", ")}`}
                  </p>
                </div>
                {(refused || one.status === null) && (
                  <span class="token bad" title={one.code ?? undefined}>
                    <span>{one.code ?? one.status ?? "not seen"}</span>
                  </span>
                )}
              </li>
            );
          })}
        </ol>
      )}
      <More pages={pages} />
    </section>
  );
}

/** closingPaused as words: closing paused. */
const camelWords = (name: string): string => name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);

const tellDetail = (value: string | boolean | null): string =>
  typeof value === "boolean" ? (value ? "yes" : "no") : `${value}`;
