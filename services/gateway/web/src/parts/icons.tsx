/** Line icons, drawn here so that nothing has to be fetched. They say nothing to a screen reader: words beside them do. */
const PATHS = {
  operations: "M3 17l5-6 4 3 6-8M14 6h4v4",
  performance: "M4 19V9m5 10V5m5 14v-7m5 7V8",
  portfolio: "M12 3v9l7 5M12 3a9 9 0 1 0 9 9 9 9 0 0 0-9-9z",
  keys: "M14.5 9.5a4.5 4.5 0 1 1-4.2-4.5 4.5 4.5 0 0 1 4.2 4.5zm-1.4 3L20 19.5M17 16.5l2-2",
  alerts: "M6 16V11a6 6 0 0 1 12 0v5l2 2H4zM10 21h4",
  settings: "M4 7h9m4 0h3M4 17h3m4 0h9M15 4.5v5M9 14.5v5",
  shield: "M12 3l7 3v5c0 4.5-3 8-7 10-4-2-7-5.5-7-10V6z",
  check: "M5 12.5l4.5 4.5L19 7.5",
  warning: "M12 4l9 16H3zM12 10v4m0 3v.01",
  close: "M6 6l12 12M18 6L6 18",
  sync: "M20 11a8 8 0 0 0-14-4L4 9m0-5v5h5M4 13a8 8 0 0 0 14 4l2-2m0 5v-5h-5",
  sun: "M12 8a4 4 0 1 0 4 4 4 4 0 0 0-4-4zM12 2v2m0 16v2M4.9 4.9l1.4 1.4m11.4 11.4l1.4 1.4M2 12h2m16 0h2M4.9 19.1l1.4-1.4M17.7 6.3l1.4-1.4",
  moon: "M20 14.5A8.5 8.5 0 1 1 9.5 4a7 7 0 0 0 10.5 10.5z",
  down: "M6 9l6 6 6-6",
  back: "M15 5l-7 7 7 7",
  pause: "M9 5v14M15 5v14",
  flows: "M6 6h6a3 3 0 0 1 0 6H10a3 3 0 0 0 0 6h8M6 6l3-3M6 6l3 3M18 18l-3-3m3 3l-3 3",
  admin: "M4 5h16v5H4zM4 14h16v5H4zM8 7.5v.01M8 16.5v.01",
  more: "M5 12v.01M12 12v.01M19 12v.01",
  advice: "M12 3a6 6 0 0 0-3.5 10.9c.6.5 1 1.2 1 2.1h5c0-.9.4-1.6 1-2.1A6 6 0 0 0 12 3zM10 20h4",
  add: "M12 5v14M5 12h14",
  file: "M12 4v11m0 0l-4-4m4 4l4-4M5 20h14",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 18 }: { name: IconName; size?: number }) {
  return (
    <svg class="icon" width={size} height={size} viewBox="0 0 24 24" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}

export function Logo() {
  return (
    <svg class="logo" width="26" height="26" viewBox="0 0 64 64" aria-hidden="true">
      <path class="venue" d="M9 38l13-15 11 9 21-24" />
      <path class="books" d="M9 54l13-15 11 9 21-24" />
    </svg>
  );
}
