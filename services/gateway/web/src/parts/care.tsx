/** Takes a position into Tandem's care, or gives it back. Each says before what it does. */
import { useState } from "preact/hooks";
import { useAct } from "../act";
import { managePosition, releasePosition } from "../api/books";
import type { Level, Position, Row } from "../api/types";
import { noteChanged, refresh } from "../live/positions";
import { tellLevel } from "../live/sentences";
import { notify } from "../notices";

const told = (level: Level) => tellLevel({ ...level, enforced: true }).replace(", enforced", "");

interface Props {
  row: Row;
  position: Position;
  changed: () => void;
}

export function CareButtons({ row, position, changed }: Props) {
  const [asking, setAsking] = useState(false);
  const { busy, error, run } = useAct();

  const carryOut = async () => {
    const work = row.managed ? releasePosition : managePosition;
    const done = await run(async (key) => noteChanged(await work(position, key)));
    changed();
    if (!done) return;
    setAsking(false);
    void refresh();
    notify(row.managed ? `${row.pair} is given back: nothing of it is enforced` : `${row.pair} is in Tandem's care`);
  };

  if (!asking) {
    return (
      <button type="button" onClick={() => setAsking(true)}>
        {row.managed ? "Release…" : "Manage…"}
      </button>
    );
  }
  return (
    <div class="care">
      <p>
        {row.managed
          ? "Nothing of it is enforced any more: stop and target are shown, not traded."
          : `Tandem enforces from now on: stop ${told(position.stopLoss)}, target ${told(position.takeProfit)}${
              position.takeProfit.rule === "trailing" ? ", which moves with the price and never fires" : ""
            }.`}
      </p>
      {error && (
        <p class="says bad" role="alert">
          {error}
        </p>
      )}
      <button type="button" disabled={busy} onClick={() => setAsking(false)}>
        Leave it
      </button>
      <button type="button" class="primary" disabled={busy} onClick={() => void carryOut()}>
        {row.managed ? "Release it" : "Manage it"}
      </button>
    </div>
  );
}
