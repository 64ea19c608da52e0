/**
 * What is open now, kept up by the WebSocket, and by asking where it does not tell prices.
 *
 * `feed` says honestly how fresh it is: live (prices are pushed), polling (asked every five seconds), offline.
 */
import { readOpen } from "../api/books";
import { ApiError } from "../api/client";
import { type Pauses, readPauses } from "../api/pauses";
import { readCurrent, readSchedule } from "../api/routes";
import type { Mark, Position, Push, Schedule, Warning } from "../api/types";
import { Store } from "../store";
import { announce, type Happened, happenings, LONGEST_FEED, tellHappening } from "./happenings";
import { allMarked, mergeClose, mergeLevels, mergeMark, mergeReading, noneOpen, type Shown } from "./marks";
import { notePrices } from "./prices";
import { type Told, tellChanged, tellClosed, tellOpened } from "./sentences";
import { LiveSocket } from "./socket";

export type Feed = "connecting" | "live" | "polling" | "offline";

export interface Operations {
  shown: readonly Shown[];
  loaded: boolean;
  feed: Feed;
  /** When the venues were read last, by the gateway's clock. */
  takenAt: string | null;
  warnings: readonly Warning[];
  error: ApiError | null;
  schedule: Schedule | null;
  /** What is stopped; null while that cannot be known. */
  pauses: Pauses | null;
}

export const POLL_MILLISECONDS = 5_000;
/** What the venues alone say, such as margin, is read anew so often while it is looked at. */
const VENUE_MILLISECONDS = 15_000;
const REFRESH_MILLISECONDS = 30_000;
/** So long one waits for the first marks before it is said that there are none. */
const PATIENCE_MILLISECONDS = 4_000;
const MARK_LIFETIME_MILLISECONDS = 12_000;
/** Marks are gathered for so long and then shown at once: lines and totals change together. */
const GATHER_MILLISECONDS = 100;

const nothing: Operations = {
  shown: [],
  loaded: false,
  feed: "connecting",
  takenAt: null,
  warnings: [],
  error: null,
  schedule: null,
  pauses: null,
};

export const operations = new Store<Operations>(nothing);
/** The last known document of each position, by id: what a change is compared with. */
export const documents = new Store<ReadonlyMap<string, Position>>(new Map());

/** Whether there is nothing to show because no key has been added yet: a beginning, not a fault. */
export const keyless = (state: Operations): boolean => state.error?.code === "NO_VERIFIED_API_KEYS";

let socket: LiveSocket | null = null;
let timer = 0;
let soon = 0;
let gathering = 0;
let gathered: Mark[] = [];
let reading = false;
let askedAt = 0;
let markedAt = 0;
let startedAt = 0;
let connected = false;
const heard = new Set<string>();
/** What each position was when something was told of it last: what its next change is compared with. */
const told = new Map<string, Position>();

export function startLive(): () => void {
  startedAt = Date.now();
  socket = new LiveSocket({ opened, closed, pushed });
  timer = window.setInterval(tick, 500);
  document.addEventListener("visibilitychange", tick);
  void refresh();
  return () => {
    socket?.close();
    socket = null;
    window.clearInterval(timer);
    window.clearTimeout(soon);
    window.clearTimeout(gathering);
    gathering = 0;
    gathered = [];
    document.removeEventListener("visibilitychange", tick);
    operations.set(nothing);
    happenings.set([]);
    documents.set(new Map());
    heard.clear();
    told.clear();
    markedAt = 0;
  };
}

/** Turns as often as what the venues alone say is worth reading anew; 0 before the first reading. */
export const venueTurn = ({ loaded, takenAt }: Operations): number =>
  loaded && takenAt ? Math.floor(Date.parse(takenAt) / VENUE_MILLISECONDS) : 0;

/** Read everything anew, now. */
export async function refresh(): Promise<void> {
  if (reading || !socket) return;
  reading = true;
  askedAt = Date.now();
  const mine = socket;
  try {
    const [current, schedule, pauses, books] = await Promise.all([
      readCurrent(),
      readSchedule().catch(() => null),
      readPauses().catch(() => null),
      readOpen().catch(() => []),
    ]);
    if (socket !== mine) return;
    noteDocuments(books);
    operations.change((state) => ({
      ...state,
      shown: mergeReading(state.shown, current.positions),
      loaded: true,
      takenAt: current.timestamp,
      warnings: current.warnings ?? [],
      error: null,
      schedule: schedule ?? state.schedule,
      pauses: pauses ?? state.pauses,
    }));
    notePrices(current.positions);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (socket !== mine) return;
    const gone = error.code === "NO_VERIFIED_API_KEYS" ? { shown: [] } : {};
    operations.change((state) => ({ ...state, ...gone, loaded: true, error }));
  } finally {
    reading = false;
    settleFeed();
  }
}

/** A closed position has been noticed. */
export function dismiss(key: string): void {
  operations.change((state) => ({ ...state, shown: state.shown.filter((one) => one.key !== key) }));
}

export const noteDocument = (position: Position): void => noteDocuments([position]);

/** What the books say; a document that is older than the known one is passed over. */
function noteDocuments(positions: readonly Position[]): void {
  const known = documents.get();
  const newer = positions.filter((one) => Number(known.get(one.id)?.version ?? 0) <= Number(one.version));
  if (newer.length === 0) return;
  documents.set(new Map([...known, ...newer.map((one) => [one.id, one] as const)]));
  for (const one of newer) if (!told.has(one.id)) told.set(one.id, one);
}

/** What a switch answered: it is true at once. */
export function notePauses(change: Partial<Pauses>): void {
  operations.change((state) => (state.pauses ? { ...state, pauses: { ...state.pauses, ...change } } : state));
}

/** What a write answered: it is true at once, without waiting for the push. */
export function noteChanged(position: Position): void {
  noteDocument(position);
  operations.change((state) => ({ ...state, shown: mergeLevels(state.shown, position) }));
}

function settleFeed(): void {
  operations.change((state) => {
    const young = Date.now() - markedAt < MARK_LIFETIME_MILLISECONDS;
    const marked = noneOpen(state.shown) || (young && allMarked(state.shown));
    const early = Date.now() - startedAt < PATIENCE_MILLISECONDS;
    const feed: Feed = state.error?.passing
      ? "offline"
      : marked && connected
        ? "live"
        : state.loaded && !early
          ? "polling"
          : "connecting";
    return feed === state.feed ? state : { ...state, feed };
  });
}

function tick(): void {
  settleFeed();
  if (document.visibilityState === "hidden") return;
  const { feed, shown } = operations.get();
  if (Date.now() - askedAt >= (feed === "live" && !noneOpen(shown) ? REFRESH_MILLISECONDS : POLL_MILLISECONDS))
    void refresh();
}

function refreshSoon(): void {
  window.clearTimeout(soon);
  soon = window.setTimeout(() => void refresh(), 200);
}

function opened(again: boolean): void {
  connected = true;
  if (again) void refresh();
  settleFeed();
}

function closed(): void {
  connected = false;
  settleFeed();
}

function pushed(push: Push): void {
  switch (push.type) {
    case "position_marked":
      markedAt = Date.now();
      gathered.push(push.data as Mark);
      if (!gathering) gathering = window.setTimeout(showMarks, GATHER_MILLISECONDS);
      return;
    case "position_opened":
    case "position_closed":
    case "position_exit_completed":
    case "position_levels_changed":
      happen(push as Extract<Push, { data: Position }>);
      return;
    case "resync_required":
      announce(push);
      void refresh();
      return;
    default:
      if (push.sequence && heard.has(push.sequence)) return;
      if (push.sequence) heard.add(push.sequence);
      tellHappening(push);
      announce(push);
      // What is told of guards, pauses and reconciliation is read where it is held: the newest word counts.
      if (push.type !== "position_evaluated" && push.type !== "execution_updated") refreshSoon();
  }
}

function showMarks(): void {
  gathering = 0;
  const marks = gathered;
  gathered = [];
  const before = operations.get().shown;
  const shown = marks.reduce((rows, mark) => mergeMark(rows, mark), before);
  if (shown !== before) {
    operations.change((state) => ({ ...state, shown, takenAt: new Date().toISOString() }));
    const moved = new Set(marks.map((mark) => mark.id ?? mark.positionId));
    notePrices(shown.filter((one) => !one.closed && moved.has(one.row.id)).map((one) => one.row));
  }
  settleFeed();
}

function happen(push: { type: string; sequence: string; timestamp: string; data: Position }): void {
  if (heard.has(push.sequence)) return;
  heard.add(push.sequence);
  const position = push.data;
  const before = told.get(position.id) ?? null;
  let words: Told;
  if (push.type === "position_closed" || push.type === "position_exit_completed") {
    words = tellClosed(position);
    operations.change((state) => ({ ...state, shown: mergeClose(state.shown, position) }));
  } else if (push.type === "position_opened") {
    words = tellOpened(position);
  } else {
    words = tellChanged(position, before);
    operations.change((state) => ({ ...state, shown: mergeLevels(state.shown, position) }));
  }
  noteDocument(position);
  told.set(position.id, position);
  const one: Happened = {
    ...words,
    id: push.sequence,
    at: push.timestamp,
    positionId: position.id,
    to: `/positions/${position.id}`,
  };
  happenings.change((all) => [one, ...all].slice(0, LONGEST_FEED));
  announce(push);
  refreshSoon();
}
