/** How fresh what one sees is, said plainly. */
import { type Feed, operations, POLL_MILLISECONDS } from "../live/positions";

const SAYS: Record<Feed, [string, string]> = {
  connecting: ["connecting", "Waiting for the first answer"],
  live: ["live", "Prices are pushed as they change"],
  polling: [
    "polling",
    `Prices are not pushed just now: asked every ${POLL_MILLISECONDS / 1000} seconds. Facts still come at once.`,
  ],
  offline: ["offline", "The gateway cannot be reached; what you see is old"],
};

export function FeedBadge() {
  const { feed } = operations.use();
  const [text, title] = SAYS[feed];
  return (
    <span class={`feed ${feed}`} title={title} data-feed={feed}>
      <i aria-hidden="true" />
      {text}
      {feed === "polling" && <span class="figure"> {POLL_MILLISECONDS / 1000} s</span>}
    </span>
  );
}
