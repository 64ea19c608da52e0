/**
 * What is open now, kept up by the WebSocket, and by asking where it does not tell prices.
 *
 * `feed` says honestly how fresh it is: live (prices are pushed), polling (asked every five seconds), offline.
 */
import { ApiError } from "../api/client";
import { readCurrent, readSchedule } from "../api/routes";
import type { Mark, Position, Push, Schedule, Warning } from "../api/types";
import { Store } from "../store";
import { mergeClose, mergeLevels, mergeMark, mergeReading, type Shown } from "./marks";
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
}

export interface Happened extends Told {
  id: string;
  at: string;
  positionId: string | null;
}

export const POLL_MILLISECONDS = 5_000;
const REFRESH_MILLISECONDS = 30_000;
const MARK_LIFETIME_MILLISECONDS = 6_000;
const LONGEST_FEED = 60;

const nothing: Operations = {
  shown: [],
  loaded: false,
  feed: "connecting",
  takenAt: null,
  warnings: [],
  error: null,
  schedule: null,
};

export const operations = new Store<Operations>(nothing);
export const happenings = new Store<readonly Happened[]>([]);
/** The last known document of each position, by id: what a change is compared with. */
export const documents = new Store<ReadonlyMap<string, Position>>(new Map());

/** Whether there is nothing to show because no key has been added yet: a beginning, not a fault. */
export const keyless = (state: Operations): boolean => state.error?.code === "NO_VERIFIED_API_KEYS";

let socket: LiveSocket | null = null;
let timer = 0;
let soon = 0;
let reading = false;
let askedAt = 0;
let markedAt = 0;
let connected = false;
const heard = new Set<string>();
/** What each position was when something was told of it last: what its next change is compared with. */
const told = new Map<string, Position>();

export function startLive(): () => void {
  socket = new LiveSocket({ opened, closed, pushed });
  timer = window.setInterval(tick, 500);
  document.addEventListener("visibilitychange", tick);
  void refresh();
  return () => {
    socket?.close();
    socket = null;
    window.clearInterval(timer);
    window.clearTimeout(soon);
    document.removeEventListener("visibilitychange", tick);
    operations.set(nothing);
    happenings.set([]);
    documents.set(new Map());
    heard.clear();
    told.clear();
    markedAt = 0;
  };
}

/** Read everything anew, now. */
export async function refresh(): Promise<void> {
  if (reading || !socket) return;
  reading = true;
  askedAt = Date.now();
  const mine = socket;
  try {
    const [current, schedule] = await Promise.all([readCurrent(), readSchedule().catch(() => null)]);
    if (socket !== mine) return;
    operations.change((state) => ({
      ...state,
      shown: mergeReading(state.shown, current.positions),
      loaded: true,
      takenAt: current.timestamp,
      warnings: current.warnings ?? [],
      error: null,
      schedule: schedule ?? state.schedule,
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

export function noteDocument(position: Position): void {
  documents.change((known) => new Map(known).set(position.id, position));
  if (!told.has(position.id)) told.set(position.id, position);
}

/** What a write answered: it is true at once, without waiting for the push. */
export function noteChanged(position: Position): void {
  noteDocument(position);
  operations.change((state) => ({ ...state, shown: mergeLevels(state.shown, position) }));
}

function settleFeed(): void {
  operations.change((state) => {
    const marked = Date.now() - markedAt < MARK_LIFETIME_MILLISECONDS;
    const feed: Feed = state.error?.passing
      ? "offline"
      : marked && connected
        ? "live"
        : state.loaded
          ? "polling"
          : "connecting";
    return feed === state.feed ? state : { ...state, feed };
  });
}

function tick(): void {
  settleFeed();
  if (document.visibilityState === "hidden") return;
  const feed = operations.get().feed;
  if (Date.now() - askedAt >= (feed === "live" ? REFRESH_MILLISECONDS : POLL_MILLISECONDS)) void refresh();
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
    case "position_marked": {
      const mark = push.data as Mark;
      markedAt = Date.now();
      operations.change((state) => {
        const shown = mergeMark(state.shown, mark);
        return shown === state.shown ? state : { ...state, shown, takenAt: new Date().toISOString() };
      });
      notePrices(
        operations
          .get()
          .shown.filter((one) => !one.closed && one.row.id === (mark.id ?? mark.positionId))
          .map((one) => one.row),
      );
      settleFeed();
      return;
    }
    case "position_opened":
    case "position_closed":
    case "position_exit_completed":
    case "position_levels_changed":
      happen(push as Extract<Push, { data: Position }>);
      return;
    case "resync_required":
    case "reconciliation_finished":
      void refresh();
  }
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
  const one: Happened = { ...words, id: push.sequence, at: push.timestamp, positionId: position.id };
  happenings.change((all) => [one, ...all].slice(0, LONGEST_FEED));
  refreshSoon();
}
