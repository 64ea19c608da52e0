/** Where books and venues differed: what was seen, what was decided, and on what evidence. */
import { useState } from "preact/hooks";
import { type Discrepancy, isMissing, type Scope } from "../api/reconciliation";
import { exchangeName, formatInstant, readable, words } from "../format";
import type { Pages } from "../load";
import { Icon } from "./icons";
import { REACHABLE } from "./reachable";
import { Failure, Loading, More } from "./states";

const DECIDED: Record<string, string> = {
  adopt: "adopted",
  close: "closed by its fills",
  adjust: "adjusted",
  close_estimated: "closed, exit estimated",
};

interface Props {
  found: Pages<Discrepancy>;
  scope: Scope;
  choose: (scope: Scope) => void;
  confirm: (one: Discrepancy) => void;
}

export function DiscrepancyList({ found, scope, choose, confirm }: Props) {
  const [all, setAll] = useState(false);
  const pending = pendingOf(found.rows ?? []);
  const rows = found.rows?.filter((one) => all || pending.has(one) || !isKnown(one, pending)) ?? null;
  return (
    <section class="panel feed-list discrepancies" aria-label="Discrepancies">
      <header class="exchange-head">
        <h2>Discrepancies</h2>
        <fieldset class="segments tiny end">
          <legend class="hidden">Which</legend>
          {[false, true].map((one) => (
            <label key={String(one)}>
              <input type="radio" name="discrepancies" checked={all === one} onChange={() => setAll(one)} />
              <span>{one ? "Each time" : "Once"}</span>
            </label>
          ))}
        </fieldset>
      </header>
      {found.error !== null && <Failure error={found.error} retry={found.reload} />}
      {found.loading && !found.rows && found.error === null && <Loading what="discrepancies" rows={3} />}
      {rows?.length === 0 && <p class="muted pad">Books and venues agreed wherever they were compared.</p>}
      {rows && rows.length > 0 && (
        <ol {...REACHABLE}>
          {rows.map((one, place) => (
            <Line
              key={`${one.runId}${one.kind}${one.symbol}${one.positionId}${place}`}
              one={one}
              scope={scope}
              choose={choose}
              confirm={pending.has(one) ? () => confirm(one) : null}
            />
          ))}
        </ol>
      )}
      <More pages={found} />
    </section>
  );
}

/** The newest word on each row that is still missing: an operator's belongs there. */
function pendingOf(rows: readonly Discrepancy[]): ReadonlySet<Discrepancy> {
  const seen = new Set<string>();
  return new Set(
    rows.filter((one) => {
      if (!one.positionId || seen.has(one.positionId)) return false;
      seen.add(one.positionId);
      return isMissing(one);
    }),
  );
}

/** Whether a run before had found it, or a later one says it anew. */
const isKnown = (one: Discrepancy, pending: ReadonlySet<Discrepancy>): boolean =>
  one.known || (isMissing(one) && [...pending].some((newer) => newer.positionId === one.positionId));

interface LineProps {
  one: Discrepancy;
  scope: Scope;
  choose: (scope: Scope) => void;
  confirm: (() => void) | null;
}

function Line({ one, scope, choose, confirm }: LineProps) {
  const side = one.positionSide === "both" ? "" : ` ${one.positionSide}`;
  const decided = one.decisions.map((decision) => DECIDED[decision] ?? words(decision)).join(", ");
  return (
    <li>
      <time class="figure" dateTime={one.foundAt ?? undefined}>
        {formatInstant(one.foundAt)}
      </time>
      <div>
        <b>
          {one.symbol}
          {side}: {words(one.kind)}
        </b>
        <p>
          {exchangeName(one.exchange)} of{" "}
          <button type="button" class="plain link" onClick={() => choose({ ...scope, user: one.userId })}>
            {one.userId}
          </button>
          {one.positionId && (
            <>
              {" · "}
              <span class="figure">{one.positionId}</span>
            </>
          )}
        </p>
        <p class="evidence">{readable(one.evidence)}</p>
        {confirm && (
          <button type="button" class="small" onClick={confirm}>
            Confirm absence…
          </button>
        )}
      </div>
      <span class={`token ${one.repaired ? "good" : "doubt"}`}>
        <Icon name={one.repaired ? "check" : "warning"} size={14} />
        <span>{one.repaired ? decided || "repaired" : decided ? `${decided}: not applied` : "nothing decided"}</span>
      </span>
    </li>
  );
}
