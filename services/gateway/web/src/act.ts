/** Carries out a write once, however often its button is pressed, and says how it stands. */
import { useRef, useState } from "preact/hooks";
import { ApiError, newKey } from "./api/client";

export const explain = (failure: unknown): string => (failure instanceof ApiError ? failure.message : String(failure));

export interface Act {
  busy: boolean;
  error: string | null;
  forget: () => void;
  /** Whether it was done. `work` gets the key under which the gateway does it once. */
  run: (work: (key: string) => Promise<unknown>) => Promise<boolean>;
}

export function useAct(): Act {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  // One key for as long as it is not known whether the write took effect: pressing again never does it twice.
  const key = useRef(newKey());

  const run = async (work: (key: string) => Promise<unknown>): Promise<boolean> => {
    setBusy(true);
    setError(null);
    try {
      await work(key.current);
      key.current = newKey();
      return true;
    } catch (failure) {
      const unknown = failure instanceof ApiError && (failure.passing || failure.status >= 500);
      if (!unknown) key.current = newKey();
      setError(explain(failure));
      return false;
    } finally {
      setBusy(false);
    }
  };
  return { busy, error, forget: () => setError(null), run };
}
