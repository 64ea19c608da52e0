/** A dialog that is open for as long as its component lives, and gives the focus back to where it came from. */
import type { RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";

export function useModal(): RefObject<HTMLDialogElement> {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const shown = dialog.current;
    shown?.showModal();
    return () => shown?.close();
  }, []);
  return dialog;
}
