/** What an account is called. */
import type { Key } from "../api/types";
import { exchangeName } from "../format";

/** By its own name, with the exchange where that does not say it. */
export function accountName({ name, exchange }: Pick<Key, "name" | "exchange">): string {
  const venue = exchangeName(exchange);
  if (!name) return venue;
  return name.toLowerCase().includes(venue.toLowerCase()) ? name : `${name} (${venue})`;
}
