/** How far the advisor may go. */
import { useState } from "preact/hooks";
import { useAct } from "../act";
import { type Advisor, type Mode, readAdvisor, setAdvisor } from "../api/advisor";
import { capital } from "../format";
import { useLoad } from "../load";
import { notify } from "../notices";
import { Failure, Loading } from "./states";

const MODES: [Mode, string][] = [
  ["off", "Nothing is looked at, and nothing is said."],
  ["advise", "What it would do is shown on each position. It moves and closes nothing."],
  [
    "act",
    "It may tighten stops, move targets and close managed positions, within its guardrails. Observed ones it only advises on.",
  ],
];

function cost(advisor: Advisor): string {
  if (!advisor.model) return "It goes by rules alone and costs nothing.";
  const [spent, most] = [advisor.costTodayUsd, advisor.budgetTodayUsd];
  const today = spent === null ? "" : ` Today it has cost $${Number(spent).toFixed(2)}`;
  return `It asks ${advisor.model}, and goes by rules where that fails.${today}${today && most !== null ? ` of at most $${Number(most).toFixed(2)}.` : today ? "." : ""}`;
}

export function AdvisorSettings() {
  const advisor = useLoad("advisor", readAdvisor);
  const { busy, error, run } = useAct();
  const [answer, setAnswer] = useState<Advisor | null>(null);
  const [chosen, setChosen] = useState<Mode | null>(null);
  const choose = async (mode: Mode) => {
    // What was pressed stands while it is being set, and goes back where it is refused.
    setChosen(mode);
    const kept = await run(async (key) => setAnswer(await setAdvisor(mode, key)));
    if (kept) notify(`Advisor: ${mode}`);
    setChosen(null);
  };
  const held = answer ?? advisor.value;
  const mode = chosen ?? held?.mode;
  return (
    <section class="panel" aria-label="Advisor">
      <header class="exchange-head">
        <h2>Advisor</h2>
      </header>
      {advisor.error !== null && <Failure error={advisor.error} retry={advisor.reload} />}
      {advisor.loading && !held && advisor.error === null && <Loading what="advisor" rows={1} />}
      {held && (
        <div class="pad choices-list">
          <fieldset disabled={busy}>
            <legend class="hidden">How far it may go</legend>
            {MODES.map(([one, says]) => (
              <label key={one} class="choice">
                <input type="radio" name="advisor" checked={mode === one} onChange={() => void choose(one)} />
                <span>
                  <b>{capital(one)}</b>
                  <small class="muted">{says}</small>
                </span>
              </label>
            ))}
          </fieldset>
          <p class="says">{cost(held)}</p>
          {error && (
            <p class="says bad" role="alert">
              {error}
            </p>
          )}
        </div>
      )}
    </section>
  );
}
