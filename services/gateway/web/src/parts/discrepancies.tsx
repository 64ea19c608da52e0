/** Where books and venues differed: what was seen, what was decided, and on what evidence. */
import { useState } from "preact/hooks";
import { type Discrepancy, isMissing, type Scope } from "../api/reconciliation";
import { capital, exchangeName, formatInstant, words } from "../format";
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
  const rows = found.rows?.filter((one) => all || !one.known) ?? null;
  // The newest word on each missing row is where an operator's belongs.
  const newest = new Set<string>();
  const latest = (one: Discrepancy): boolean => {
    if (!one.positionId || newest.has(one.positionId)) return false;
    newest.add(one.positionId);
    return isMissing(one);
  };
  const pending = new Set(found.rows?.filter(latest) ?? []);
  return (
    <section class="panel feed-list discrepancies" aria-label="Discrepancies">
      <header class="exchange-head">
        <h2>Discrepancies</h2>
        <fieldset class="segments tiny end">
          <legend class="hidden">Which</legend>
          {[false, true].map((one) => (
            <label key={String(one)}>
              <input type="radio" name="discrepancies" checked={all === one} onChange={() => setAll(one)} />
              <span>{one ? "Each time" : "When first seen"}</span>
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
              // biome-ignore lint/suspicious/noArrayIndexKey: a run may find the same of one position twice
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
        <p class="evidence">{capital(one.evidence)}</p>
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
