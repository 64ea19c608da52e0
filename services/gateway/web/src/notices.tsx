/** Short messages about what was just done. */
import { Store } from "./store";

interface Notice {
  id: number;
  text: string;
  kind: "done" | "failed" | "alert";
}

const notices = new Store<readonly Notice[]>([]);
let last = 0;

export function notify(text: string, kind: Notice["kind"] = "done"): void {
  last += 1;
  const id = last;
  notices.change((all) => [...all.slice(-2), { id, text, kind }]);
  setTimeout(() => notices.change((all) => all.filter((one) => one.id !== id)), kind === "done" ? 5_000 : 10_000);
}

export function Notices() {
  const shown = notices.use();
  return (
    <div class="notices" role="status" aria-live="polite">
      {shown.map((notice) => (
        <p key={notice.id} class={`notice ${notice.kind}`}>
          {notice.text}
        </p>
      ))}
    </div>
  );
}
