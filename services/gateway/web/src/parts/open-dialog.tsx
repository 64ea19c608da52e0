/** Opens a position, for a flow or by hand: first what is wanted, then what will happen, then it is asked for once. */
import { useEffect, useRef, useState } from "preact/hooks";
import { useAct } from "../act";
import { openPosition } from "../api/books";
import { type Execution, startExecution } from "../api/executions";
import { readKeys } from "../api/routes";
import type { Key, Position } from "../api/types";
import type { Decimal } from "../decimal";
import { formatPrice, formatQuantity } from "../format";
import { documents, noteDocument, operations, refresh } from "../live/positions";
import { useLoad } from "../load";
import { notify } from "../notices";
import {
  bodyOfOpening,
  NEW_OPENING,
  type OpenDraft,
  type OpenField,
  type Purpose,
  type Refusals,
  refuseOpening,
  symbolOf,
} from "../open-draft";
import { explainOpening } from "../open-refusals";
import { Link } from "../router";
import { Icon } from "./icons";
import { useModal } from "./modal";
import { OpenForm } from "./open-form";
import { OpenPlan } from "./open-plan";
import { Failure, Loading } from "./states";

export interface OpenDialogProps {
  purpose: Purpose;
  /** The flows and symbols that are known where it was asked for. */
  flows?: readonly string[];
  symbols?: readonly string[];
  started?: (execution: Execution) => void;
  opened?: (position: Position) => void;
  leave: () => void;
}

const TITLES: Record<Purpose, string> = { flow: "Start an execution", hand: "Open a position" };

/** Why nothing may be opened now; null where it may. */
export function useOpeningPaused(): string | null {
  const { pauses } = operations.use();
  const held = [pauses?.everybody, pauses?.pause].find((one) => one?.openingPaused);
  if (!held) return null;
  const whose = held === pauses?.everybody ? "for everybody" : "for you";
  return `Opening is paused ${whose}${held.reason ? `: ${held.reason}` : ""}.`;
}

export function OpenDialog({ purpose, flows = [], symbols = [], started, opened, leave }: OpenDialogProps) {
  const dialog = useModal();
  const backwards = useRef<HTMLButtonElement>(null);
  const keys = useLoad("keys", readKeys);
  const state = operations.use();
  const paused = useOpeningPaused();
  const [draft, setDraft] = useState<OpenDraft>(NEW_OPENING);
  const [tried, setTried] = useState(false);
  const [reviewing, setReviewing] = useState(false);
  /** What the gateway refused of what was sent; gone when that is changed. */
  const [refused, setRefused] = useState<Refusals>({});
  const doubted = useRef(false);
  const act = useAct();

  // Not the button that opens: who presses Enter twice has read nothing.
  useEffect(() => {
    if (reviewing) backwards.current?.focus();
  }, [reviewing]);

  const able = keys.value?.filter((one) => one.verified && one.tradingEnabled) ?? [];
  const account = able.find((one) => one.id === draft.account) ?? (draft.account ? undefined : able[0]);
  const whole: OpenDraft = { ...draft, account: account?.id ?? "" };
  const symbol = symbolOf(whole);
  const rows = state.shown.filter((one) => !one.closed && one.row.exchange === account?.exchange);
  const price = rows.find((one) => one.row.pair === symbol)?.row.currentPrice ?? null;
  const found = { ...refuseOpening(whole, purpose, price), ...held(whole), ...refused };
  // What was never typed is not wrong before one wants to go on.
  const shown: Refusals = tried ? found : visible(found, whole);
  const failure = act.failure === null ? null : explainOpening(act.failure, doubted.current);

  const focusFirst = (fields: Refusals) => {
    const [first] = Object.keys(fields) as OpenField[];
    // After the line that says what is wrong is there.
    if (first) setTimeout(() => dialog.current?.querySelector<HTMLElement>(`#open-${first}`)?.focus());
  };
  const change = (changes: Partial<OpenDraft>) => {
    setDraft((before) => ({ ...before, ...changes }));
    const changed = new Set(Object.keys(changes));
    setRefused((before) => Object.fromEntries(Object.entries(before).filter(([field]) => !changed.has(field))));
  };
  const back = () => {
    act.begin();
    setReviewing(false);
  };

  const send = async () => {
    const body = bodyOfOpening(whole, purpose);
    let failed: unknown = null;
    const done = await act.run(async (key) => {
      try {
        if (purpose === "flow") {
          const execution = await startExecution(whole.flow.trim(), body, key);
          notify(`${execution.flowId}: ${execution.symbol} ${execution.side} is being opened`);
          started?.(execution);
        } else {
          const position = await openPosition(body, key);
          noteDocument(position);
          notify(tellOpening(position));
          opened?.(position);
        }
      } catch (error) {
        failed = error;
        throw error;
      }
    });
    if (done) {
      void refresh();
      leave();
      return;
    }
    const why = explainOpening(failed, doubted.current);
    doubted.current = why.unsure;
    if (why.unsure || why.field === null) return;
    const blamed = { [why.field]: [why.text, why.advice].filter(Boolean).join(" ") };
    setRefused(blamed);
    back();
    focusFirst(blamed);
  };

  const submit = (event: Event) => {
    event.preventDefault();
    if (act.busy || (paused && !failure?.unsure)) return;
    // In doubt only the very same request may follow, whatever is true by now: it may be what was asked for.
    if (failure?.unsure) return void send();
    setTried(true);
    if (Object.keys(found).length > 0) {
      setReviewing(false);
      focusFirst(found);
    } else if (!reviewing) setReviewing(true);
    else void send();
  };

  return (
    <dialog
      ref={dialog}
      class="dialog opening"
      aria-labelledby="open-title"
      onCancel={(event) => {
        event.preventDefault();
        if (!act.busy) leave();
      }}
    >
      <form onSubmit={submit} noValidate>
        <h2 id="open-title">{reviewing ? `${TITLES[purpose]}?` : TITLES[purpose]}</h2>
        {paused && (
          <p class="banner bad" role="alert">
            <Icon name="pause" />
            <span>
              {paused} Nothing is opened until it goes on. <Link to="/settings">Settings</Link>
            </span>
          </p>
        )}
        {keys.error !== null && <Failure error={keys.error} retry={keys.reload} />}
        {keys.loading && !keys.value && <Loading what="accounts" rows={3} />}
        {keys.value && able.length === 0 && <NoneTrades accounts={keys.value} />}
        {keys.value && able.length > 0 && !reviewing && (
          <OpenForm
            purpose={purpose}
            draft={whole}
            change={change}
            accounts={keys.value}
            symbols={[...new Set([...rows.map((one) => one.row.pair), ...symbols])].sort()}
            flows={[...new Set(flows)].sort()}
            price={price}
            refusals={shown}
          />
        )}
        {reviewing && account && <OpenPlan purpose={purpose} draft={whole} account={account} price={price} />}
        {failure && (
          <div class={failure.unsure ? "banner" : "banner bad"} role="alert">
            <Icon name="warning" />
            <p>
              {failure.unsure && <b>Whether it was opened is not known. </b>}
              {failure.text} {failure.advice}
              {failure.unsure && " Asking again sends the same request: nothing is ever opened twice by it."}
            </p>
          </div>
        )}
        <div class="actions last">
          {reviewing && !failure?.unsure ? (
            <button type="button" ref={backwards} onClick={back} disabled={act.busy}>
              Change it
            </button>
          ) : (
            <button type="button" onClick={leave} disabled={act.busy}>
              {failure?.unsure ? "Leave it to be looked up" : "Leave"}
            </button>
          )}
          <button
            type="submit"
            class="primary"
            disabled={act.busy || (paused !== null && !failure?.unsure) || able.length === 0}
          >
            {act.busy
              ? "Asking the exchange…"
              : failure?.unsure
                ? "Ask again"
                : reviewing
                  ? confirmation(purpose, whole)
                  : "Review…"}
          </button>
        </div>
      </form>
    </dialog>
  );
}

const confirmation = (purpose: Purpose, draft: OpenDraft): string =>
  purpose === "flow" ? `Start ${draft.flow.trim()}` : `Open ${symbolOf(draft)} ${draft.side}`;

const tellOpening = (position: Position): string =>
  `${position.symbol} ${position.side} opened: ${formatQuantity(position.quantity)} at ${formatPrice(position.entryPrice)}`;

/** What is refused for what the account holds already. */
function held(draft: OpenDraft): Refusals {
  const symbol = symbolOf(draft);
  const same = [...documents.get().values()].some(
    (one) =>
      one.status === "open" && one.accountId === draft.account && one.symbol === symbol && one.side === draft.side,
  );
  return same ? { symbol: `This account holds ${symbol} ${draft.side} already: close that first.` } : {};
}

/** Of what is refused, that which was typed. */
function visible(found: Refusals, draft: OpenDraft): Refusals {
  const typed: Partial<Record<OpenField, Decimal>> = {
    symbol: draft.symbol.length > 5 ? draft.symbol : "",
    size: draft.size,
    leverage: draft.leverage,
    stop: draft.stop.text,
    target: draft.target.text,
  };
  return Object.fromEntries(Object.entries(found).filter(([field]) => typed[field as OpenField]));
}

function NoneTrades({ accounts }: { accounts: readonly Key[] }) {
  return (
    <p class="banner">
      <Icon name="keys" />
      <span>
        {accounts.length === 0
          ? "There is no account yet: add a key that may trade on "
          : "None of your accounts may trade: switch trading on for one on "}
        <Link to="/keys">Keys</Link>.
      </span>
    </p>
  );
}
