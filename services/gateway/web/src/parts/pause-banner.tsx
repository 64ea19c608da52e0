/** Says on every page what is stopped, by whom and why: with closing paused, no position is guarded. */
import type { Pause } from "../api/pauses";
import { formatMoment } from "../format";
import { operations } from "../live/positions";
import { Link } from "../router";
import { Icon } from "./icons";

const stops = (pause: Pause | undefined) => pause?.openingPaused || pause?.closingPaused;

function Line({ pause, own }: { pause: Pause; own: boolean }) {
  const both = pause.openingPaused && pause.closingPaused;
  const what = both
    ? "Opening and closing are paused"
    : pause.closingPaused
      ? "Closing is paused"
      : "Opening is paused";
  const means = pause.closingPaused
    ? "No position is guarded: stops and targets do not fire."
    : "Nothing new is opened; stops and targets are enforced as ever.";
  return (
    <div class={pause.closingPaused ? "banner bad pause" : "banner pause"} role="alert">
      <Icon name="pause" />
      <p>
        <b>
          {what} for {own ? "you" : "everybody"}.
        </b>{" "}
        {means} {pause.reason && <>Reason: {pause.reason}. </>}
        <small class="muted">
          {[pause.setBy && !own ? `by ${pause.setBy}` : null, pause.setAt ? `since ${formatMoment(pause.setAt)}` : null]
            .filter(Boolean)
            .join(" ")}
        </small>
      </p>
      {own && (
        <Link to="/settings" class="button small">
          Change
        </Link>
      )}
    </div>
  );
}

export function PauseBanner() {
  const { pauses } = operations.use();
  if (!pauses) return null;
  return (
    <>
      {stops(pauses.everybody) && <Line pause={pauses.everybody} own={false} />}
      {stops(pauses.pause) && <Line pause={pauses.pause} own />}
    </>
  );
}
