/** What an account is called. */
import type { Key } from "../api/types";
import { exchangeName } from "../format";

export const accountName = (account: Pick<Key, "name" | "exchange">): string =>
  account.name && account.name !== exchangeName(account.exchange)
    ? `${account.name} (${exchangeName(account.exchange)})`
    : exchangeName(account.exchange);
