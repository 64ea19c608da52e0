/** The switches that stop trading. Stopping closes leaves every position unguarded, so it has to be said in words. */
import { useState } from "preact/hooks";
import { useAct } from "../act";
import { CONFIRMATION, type Pause, setPause, setPauseOfAll } from "../api/pauses";
import { formatMoment } from "../format";
import { notePauses, operations, refresh } from "../live/positions";
import { notify } from "../notices";
import { Icon } from "./icons";
import { Failure } from "./states";

type Step = "opening" | "closing" | null;

interface Props {
  /** The switches of everybody instead of one's own. */
  everybody?: boolean;
}

export function PauseSettings({ everybody = false }: Props) {
  const { pauses, shown, loaded } = operations.use();
  const [asking, setAsking] = useState<Step>(null);
  const pause = everybody ? pauses?.everybody : pauses?.pause;
  const whose = everybody ? "everybody" : "you";
  return (
    <section class="panel" aria-label={everybody ? "Pause everybody" : "Pause"}>
      <header class="exchange-head">
        <h2>{everybody ? "Pause everybody" : "Pause"}</h2>
        {pause?.setAt && (pause.openingPaused || pause.closingPaused) && (
          <span class="muted">
            {pause.setBy ? `by ${pause.setBy}, ` : ""}
            {formatMoment(pause.setAt)}
          </span>
        )}
      </header>
      {!pause && loaded && <Failure error="The switches cannot be read just now." retry={() => void refresh()} />}
      {pause && (
        <div class="pad pauses">
          <Switch
            name="Opening"
            paused={pause.openingPaused}
            says={
              pause.openingPaused
                ? `Nothing new is opened for ${whose}.`
                : `Flows and orders may open positions for ${whose}.`
            }
            toggle={() => setAsking(asking === "opening" ? null : "opening")}
          />
          <Switch
            name="Closing"
            paused={pause.closingPaused}
            says={
              pause.closingPaused
                ? "No position is guarded: stops and targets do not fire, nothing is closed by hand."
                : "Stops and targets are enforced, and positions can be closed."
            }
            toggle={() => setAsking(asking === "closing" ? null : "closing")}
          />
          {asking && (
            <Question
              key={asking}
              step={asking}
              pause={pause}
              everybody={everybody}
              guarded={shown.filter((one) => !one.closed && one.row.guarded).length}
              done={() => setAsking(null)}
            />
          )}
        </div>
      )}
    </section>
  );
}

interface SwitchProps {
  name: string;
  paused: boolean;
  says: string;
  toggle: () => void;
}

function Switch({ name, paused, says, toggle }: SwitchProps) {
  return (
    <div class="pause-line">
      <div>
        <b>{name}</b> <span class={paused ? "token bad" : "token good"}>{paused ? "paused" : "goes on"}</span>
        <p class="says">{says}</p>
      </div>
      <button type="button" class="small" onClick={toggle}>
        {paused ? "Go on" : "Pause"} <span class="hidden">{name.toLowerCase()}</span>
      </button>
    </div>
  );
}

interface QuestionProps {
  step: "opening" | "closing";
  pause: Pause;
  everybody: boolean;
  /** How many of one's own positions lose their guard. */
  guarded: number;
  done: () => void;
}

function Question({ step, pause, everybody, guarded, done }: QuestionProps) {
  const [reason, setReason] = useState("");
  const [typed, setTyped] = useState("");
  const { busy, error, run } = useAct();
  const opening = step === "opening" ? !pause.openingPaused : pause.openingPaused;
  const closing = step === "closing" ? !pause.closingPaused : pause.closingPaused;
  const stops = step === "opening" ? opening : closing;
  const unguards = step === "closing" && closing;
  const set = everybody ? setPauseOfAll : setPause;

  const submit = async (event: Event) => {
    event.preventDefault();
    const kept = await run(async (key) => {
      const next = await set(
        {
          openingPaused: opening,
          closingPaused: closing,
          confirmation: closing ? (unguards ? typed.trim() : CONFIRMATION) : "",
          reason: stops ? reason.trim() : (pause.reason ?? ""),
        },
        key,
      );
      notePauses(everybody ? { everybody: next } : { pause: next });
    });
    if (!kept) return;
    notify(`${step === "opening" ? "Opening" : "Closing"} ${stops ? "is paused" : "goes on"}`);
    done();
    void refresh();
  };

  return (
    <form class="question" onSubmit={(event) => void submit(event)}>
      {unguards && (
        <p class="banner bad">
          <Icon name="warning" />
          <span>
            <b>Every position {everybody ? "of every user " : ""}is then unguarded.</b> Stops and targets do not fire,
            whatever the price does
            {guarded > 0 && !everybody ? `; ${guarded} of yours ${guarded === 1 ? "is" : "are"} guarded now` : ""}.
          </span>
        </p>
      )}
      {stops && (
        <label>
          Reason <span class="muted">shown wherever it is paused</span>
          <input value={reason} onInput={(event) => setReason(event.currentTarget.value)} maxLength={500} />
        </label>
      )}
      {unguards && (
        <label>
          Type “{CONFIRMATION}” to confirm
          <input
            value={typed}
            onInput={(event) => setTyped(event.currentTarget.value)}
            autocomplete="off"
            spellcheck={false}
          />
        </label>
      )}
      {error && (
        <p class="says bad" role="alert">
          {error}
        </p>
      )}
      <p class="actions">
        <button type="button" class="small" onClick={done} disabled={busy}>
          Leave it
        </button>
        <button
          type="submit"
          class={unguards ? "small danger" : "small primary"}
          disabled={busy || (unguards && typed.trim() !== CONFIRMATION)}
        >
          {stops ? `Pause ${step}` : `Go on with ${step}`}
        </button>
      </p>
    </form>
  );
}
