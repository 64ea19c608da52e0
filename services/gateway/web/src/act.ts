/** Carries out a write once, however often its button is pressed, and says how it stands. */
import { useRef, useState } from "preact/hooks";
import { ApiError, newKey } from "./api/client";

export const explain = (failure: unknown): string => (failure instanceof ApiError ? failure.message : String(failure));

export interface Act {
  busy: boolean;
  error: string | null;
  /** Why it was not done, as it was heard. */
  failure: unknown;
  /** Whether the write may have taken effect all the same: what is pressed next has to be the same write. */
  unsure: boolean;
  forget: () => void;
  /** What is asked for next is another write. Never call it while `unsure`, unless it is known that nothing was done. */
  begin: () => void;
  /** Whether it was done. `work` gets the key under which the gateway does it once. */
  run: (work: (key: string) => Promise<unknown>) => Promise<boolean>;
}

export function useAct(): Act {
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<unknown>(null);
  // One key for as long as it is not known whether the write took effect: pressing again never does it twice.
  const key = useRef(newKey());

  const run = async (work: (key: string) => Promise<unknown>): Promise<boolean> => {
    setBusy(true);
    setFailure(null);
    try {
      await work(key.current);
      key.current = newKey();
      return true;
    } catch (failed) {
      if (!(failed instanceof ApiError && failed.unsure)) key.current = newKey();
      setFailure(failed);
      return false;
    } finally {
      setBusy(false);
    }
  };
  return {
    busy,
    error: failure === null ? null : explain(failure),
    failure,
    unsure: failure instanceof ApiError && failure.unsure,
    forget: () => setFailure(null),
    begin: () => {
      key.current = newKey();
      setFailure(null);
    },
    run,
  };
}
