/** How each process stands with each venue: its budget there, a ban, and how prices arrive. */
import type { VenueStanding } from "../api/admin";
import { exchangeName, formatMoment, UNKNOWN } from "../format";
import { REACHABLE } from "./reachable";

export function VenueTable({ venues }: { venues: readonly VenueStanding[] }) {
  return (
    <section class="scroll" aria-label="Venues, table" {...REACHABLE}>
      <table class="plain-table">
        <thead>
          <tr>
            <th>Venue</th>
            <th>Asked by</th>
            <th class="number">Budget used</th>
            <th>Prices</th>
          </tr>
        </thead>
        <tbody>
          {venues.map((one) => (
            <tr key={`${one.exchange}${one.service}${one.replica}`}>
              <td>{exchangeName(one.exchange)}</td>
              <td>{processOf(one, venues)}</td>
              <td class="number figure" title={one.budget?.unit}>
                {one.answering && one.budget ? (
                  <>
                    {one.budget.used} <span class="muted">of {one.budget.limit}</span>
                  </>
                ) : (
                  <span class="loss">does not answer</span>
                )}
              </td>
              <td class={one.bannedUntil || one.feed?.up === false ? "loss" : ""}>{tellFeed(one)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

/** Of which process this is told: by name where its service has several. */
function processOf({ service, replica }: VenueStanding, all: readonly VenueStanding[]): string {
  const several = all.some((one) => one.service === service && one.replica !== replica);
  return several ? `${service} ${replica}` : service;
}

function tellFeed({ bannedUntil, banReason, feed }: VenueStanding): string {
  if (bannedUntil) return `banned until ${formatMoment(bannedUntil)}${banReason ? `: ${banReason}` : ""}`;
  if (!feed || feed.symbols === "0") return UNKNOWN;
  const way = feed.up ? (feed.polling ? "polled" : "streamed") : "without prices";
  return `${feed.symbols} ${way}${feed.priceAgeSeconds === null ? "" : `, ${feed.priceAgeSeconds} s old at most`}`;
}
