/** For administrators: how the books are kept in step, what was found on what evidence, and what needs a word. */
import { useState } from "preact/hooks";
import type { Overview } from "../api/admin";
import { type Discrepancy, readDiscrepancies, readOverview, readRuns, type Scope } from "../api/reconciliation";
import type { AccountSchedule } from "../api/types";
import { exchangeName, formatDuration, formatMoment, readable, words } from "../format";
import { useFacts } from "../live/happenings";
import { type Pages, useLoad, usePages } from "../load";
import { AdminHead, ForAdministrators } from "../parts/admin-head";
import { ConfirmAbsence } from "../parts/confirm-absence";
import { DiscrepancyList } from "../parts/discrepancies";
import { Icon } from "../parts/icons";
import { ReconcileButton } from "../parts/reconcile-button";
import { RunList } from "../parts/run-list";
import { Failure, Loading } from "../parts/states";
import type { Session } from "../session";

const EVERYBODY: Scope = { user: "", account: "" };

export function ReconciliationPage({ session }: { session: Session }) {
  if (session.role !== "admin") return <ForAdministrators session={session} />;
  return <Reconciliation />;
}

function Reconciliation() {
  const [scope, setScope] = useState(EVERYBODY);
  const [confirming, setConfirming] = useState<string | null>(null);
  const subject = `${scope.user} ${scope.account}`;
  const overview = useLoad("overview", readOverview);
  const found = usePages(subject, (cursor) => readDiscrepancies(scope, cursor));
  const runs = usePages(subject, (cursor) => readRuns(scope, cursor));
  const again = () => {
    overview.reload();
    found.reload();
    runs.reload();
  };
  useFacts(["reconciliation_finished", "reconciliation_suspicious"], again);
  return (
    <>
      <AdminHead at="/admin/reconciliation" />
      {overview.error !== null && <Failure error={overview.error} retry={overview.reload} />}
      {overview.loading && !overview.value && <Loading what="overview" rows={1} />}
      {overview.value && (
        <>
          <Tiles overview={overview.value} />
          <Attention accounts={overview.value.attention} confirm={setConfirming} changed={again} />
        </>
      )}
      <ScopeFilters scope={scope} choose={setScope} again={again} pages={[found, runs]} />
      <div class="two-columns uneven">
        <DiscrepancyList
          found={found}
          scope={scope}
          choose={setScope}
          confirm={(one: Discrepancy) => setConfirming(one.accountId)}
        />
        <RunList runs={runs} scope={scope} choose={setScope} />
      </div>
      {confirming !== null && (
        <ConfirmAbsence
          accountId={confirming}
          done={() => {
            setConfirming(null);
            again();
          }}
          leave={() => setConfirming(null)}
        />
      )}
    </>
  );
}

function Tiles({ overview }: { overview: Overview }) {
  const runs = Object.values(overview.runs).reduce((total, count) => total + Number(count), 0);
  const doubted = Number(overview.suspicious) + Number(overview.failing);
  return (
    <dl class="tiles">
      <div class="tile">
        <dt>Accounts</dt>
        <dd class="figure">
          {overview.accounts} <small>every {formatDuration(Number(overview.interval))}</small>
        </dd>
      </div>
      <div class="tile">
        <dt>Runs of the last interval</dt>
        <dd class="figure">
          {runs}{" "}
          <small>
            {["in_step", "pending", "failed"]
              .filter((result) => Number(overview.runs[result] ?? 0) > 0)
              .map((result) => `${overview.runs[result]} ${words(result)}`)
              .join(", ") || "none yet"}
          </small>
        </dd>
      </div>
      <div class={doubted > 0 ? "tile bad" : "tile"}>
        <dt>Need attention</dt>
        <dd class="figure">
          {doubted}{" "}
          <small>
            {overview.suspicious} in doubt, {overview.failing} failing
          </small>
        </dd>
      </div>
      <div class="tile">
        <dt>Missing positions</dt>
        <dd class="figure">
          {overview.pendingAbsences} <small>still in the books</small>
        </dd>
      </div>
      <div class="tile">
        <dt>Differences</dt>
        <dd class="figure">
          {overview.discrepanciesFound} <small>{overview.discrepanciesRepaired} repaired</small>
        </dd>
      </div>
      <div class={Number(overview.overdue) > 0 ? "tile bad" : "tile"}>
        <dt>Behind</dt>
        <dd class="figure">
          {formatDuration(Number(overview.lag))} <small>{overview.overdue} overdue</small>
        </dd>
      </div>
    </dl>
  );
}

interface AttentionProps {
  accounts: readonly AccountSchedule[];
  confirm: (accountId: string) => void;
  changed: () => void;
}

/** Accounts whose venue's word is doubted, or that cannot be read. */
function Attention({ accounts, confirm, changed }: AttentionProps) {
  if (accounts.length === 0) return null;
  return (
    <section class="panel attention" aria-label="Need attention">
      <header class="exchange-head">
        <h2>Need attention</h2>
        <span class="muted">{accounts.length}</span>
      </header>
      <ul class="keys">
        {accounts.map((one) => {
          const missing = Number(one.pendingAbsences ?? 0);
          return (
            <li key={one.accountId}>
              <div>
                <b>
                  <Icon name="warning" size={15} /> {exchangeName(one.exchange)}{" "}
                  {one.suspiciousSince ? "is in doubt" : "cannot be read"}
                </b>
                <span class="muted">
                  {one.suspiciousSince
                    ? `since ${formatMoment(one.suspiciousSince)}`
                    : `${one.failures} ${Number(one.failures) === 1 ? "failure" : "failures"} in a row`}
                  {missing > 0 && `, ${missing} ${missing === 1 ? "position is" : "positions are"} missing`}
                </span>
                {one.lastReason && <p class="evidence clamped">{readable(one.lastReason)}</p>}
                <small class="muted">
                  account <code>{one.accountId}</code>
                </small>
              </div>
              <div class="actions">
                <ReconcileButton accountId={one.accountId} done={changed} />
                {missing > 0 && (
                  <button type="button" class="small" onClick={() => confirm(one.accountId)}>
                    Confirm absence…
                  </button>
                )}
              </div>
            </li>
          );
        })}
      </ul>
    </section>
  );
}

interface FilterProps {
  scope: Scope;
  choose: (scope: Scope) => void;
  again: () => void;
  pages: readonly Pages<unknown>[];
}

function ScopeFilters({ scope, choose, again, pages }: FilterProps) {
  const set = (name: keyof Scope) => (event: Event) =>
    choose({ ...scope, [name]: (event.currentTarget as HTMLInputElement).value.trim() });
  return (
    <search class="filters choices" aria-label="Whose runs">
      <input type="search" placeholder="User" aria-label="User" value={scope.user} onChange={set("user")} />
      <input type="search" placeholder="Account" aria-label="Account" value={scope.account} onChange={set("account")} />
      {(scope.user || scope.account) && (
        <button type="button" class="small quiet" onClick={() => choose(EVERYBODY)}>
          Show all
        </button>
      )}
      <button type="button" class="small" onClick={again} disabled={pages.some((one) => one.loading)}>
        <Icon name="sync" size={15} /> Ask again
      </button>
    </search>
  );
}
