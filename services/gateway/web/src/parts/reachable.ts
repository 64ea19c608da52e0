/** What scrolls has to be reachable by keyboard, also where nothing in it is. */
export const REACHABLE = { tabIndex: 0 };
