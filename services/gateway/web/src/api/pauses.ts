/** The switches that stop trading: a user's own, and everybody's. */
import { ask } from "./client";

export interface Pause {
  openingPaused: boolean;
  closingPaused: boolean;
  reason: string | null;
  setBy: string | null;
  setAt: string | null;
}

export interface Pauses {
  pause: Pause;
  everybody: Pause;
}

export interface PauseChange {
  openingPaused: boolean;
  closingPaused: boolean;
  confirmation: string;
  reason: string;
}

/** What has to be typed before closes are stopped. */
export const CONFIRMATION = "positions are unguarded";

export const readPauses = () => ask<Pauses>("GET", "/api/settings/pause");

export const setPause = async (change: PauseChange, key: string) =>
  (await ask<{ pause: Pause }>("PUT", "/api/settings/pause", { body: { ...change }, key })).pause;

export const readPauseOfAll = async () => (await ask<{ pause: Pause }>("GET", "/api/admin/pause")).pause;

export const setPauseOfAll = async (change: PauseChange, key: string) =>
  (await ask<{ pause: Pause }>("PUT", "/api/admin/pause", { body: { ...change }, key })).pause;
