/** Reads something when a component appears, and again when asked to. */
import { useCallback, useEffect, useRef, useState } from "preact/hooks";

export interface Loaded<T> {
  value: T | null;
  error: unknown;
  loading: boolean;
  reload: () => void;
}

/** `subject` names what is read: when it changes, the old value is dropped and the new one read. */
export function useLoad<T>(subject: string, read: () => Promise<T>): Loaded<T> {
  const [state, setState] = useState<{ subject: string; value: T | null; error: unknown; loading: boolean }>({
    subject,
    value: null,
    error: null,
    loading: true,
  });
  const reader = useRef(read);
  reader.current = read;
  const turn = useRef(0);

  const load = useCallback((of: string) => {
    turn.current += 1;
    const mine = turn.current;
    setState((before) => ({
      ...before,
      value: before.subject === of ? before.value : null,
      subject: of,
      loading: true,
    }));
    reader.current().then(
      (value) => mine === turn.current && setState({ subject: of, value, error: null, loading: false }),
      (error: unknown) => mine === turn.current && setState((before) => ({ ...before, error, loading: false })),
    );
  }, []);

  useEffect(() => {
    load(subject);
    return () => {
      turn.current += 1;
    };
  }, [subject, load]);

  const same = state.subject === subject;
  return {
    value: same ? state.value : null,
    error: same ? state.error : null,
    loading: state.loading || !same,
    reload: () => load(subject),
  };
}

/** Whether the window is at least so wide. */
export function useWide(query: string): boolean {
  const [wide, setWide] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const media = matchMedia(query);
    const change = () => setWide(media.matches);
    media.addEventListener("change", change);
    return () => media.removeEventListener("change", change);
  }, [query]);
  return wide;
}

/** The present, turning each second. */
export function useNow(): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, []);
  return now;
}

export interface Pages<T> {
  rows: T[] | null;
  error: unknown;
  loading: boolean;
  /** Whether there are more than those that were read. */
  more: boolean;
  readMore: () => void;
  reload: () => void;
}

/** As `useLoad`, for what comes in pages: the first one, and further ones when asked for. */
export function usePages<T>(
  subject: string,
  read: (cursor: string | null) => Promise<{ rows: T[]; nextCursor: string | null }>,
): Pages<T> {
  const first = useLoad(subject, () => read(null));
  const [further, setFurther] = useState<{ of: unknown; rows: T[]; cursor: string | null } | null>(null);
  const [failed, setFailed] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  // What was read further belongs to the first page that it followed.
  const mine = further && further.of === first.value ? further : null;
  const cursor = mine ? mine.cursor : (first.value?.nextCursor ?? null);

  const readMore = () => {
    if (busy || cursor === null) return;
    setBusy(true);
    setFailed(null);
    read(cursor)
      .then((page) =>
        setFurther({ of: first.value, rows: [...(mine?.rows ?? []), ...page.rows], cursor: page.nextCursor }),
      )
      .catch(setFailed)
      .finally(() => setBusy(false));
  };
  return {
    rows: first.value ? [...first.value.rows, ...(mine?.rows ?? [])] : null,
    error: first.error ?? failed,
    loading: first.loading || busy,
    more: cursor !== null,
    readMore,
    reload: first.reload,
  };
}
