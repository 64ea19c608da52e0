/** The button that leads to opening a position; while opening is paused it says why it does not. */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { Icon } from "./icons";
import { OpenDialog, type OpenDialogProps, useOpeningPaused } from "./open-dialog";

type Props = Omit<OpenDialogProps, "leave"> & { children: ComponentChildren };

export function OpenButton({ children, ...dialog }: Props) {
  const [opening, setOpening] = useState(false);
  const paused = useOpeningPaused();
  return (
    <>
      <button
        type="button"
        class="primary small opens"
        disabled={paused !== null}
        title={paused ?? undefined}
        onClick={() => setOpening(true)}
      >
        <Icon name="add" size={15} /> {children}
      </button>
      {opening && <OpenDialog {...dialog} leave={() => setOpening(false)} />}
    </>
  );
}
