/** What will happen if it is asked for: said before anything is sent. */
import type { Key } from "../api/types";
import { absolute, type Decimal } from "../decimal";
import { exchangeName, formatAmount, formatPnl, formatPrice, formatQuantity, tone } from "../format";
import { percentOf } from "../live/sentences";
import {
  distanceOf,
  type LevelDraft,
  leverageOf,
  type OpenDraft,
  type OpenOutlook,
  outlookOfOpening,
  type Purpose,
  sizeOf,
  symbolOf,
  wayTo,
} from "../open-draft";
import { accountName } from "./accounts";
import { Icon } from "./icons";

interface Props {
  purpose: Purpose;
  draft: OpenDraft;
  account: Key;
  /** The present price, where it is known here. */
  price: Decimal | null;
}

export function OpenPlan({ purpose, draft, account, price }: Props) {
  const outlook = outlookOfOpening(draft, price);
  const symbol = symbolOf(draft);
  const leverage = draft.leverage.trim() ? leverageOf(draft) : null;
  return (
    <>
      <ul class="plan">
        <li>
          Tandem {draft.side === "long" ? "buys" : "sells"} <Size draft={draft} outlook={outlook} /> at market on{" "}
          {accountName(account)}
          {price === null ? (
            ", at whatever the price is then."
          ) : (
            <>
              , at about <b class="figure">{formatPrice(price)}</b>.
            </>
          )}
        </li>
        <li>
          {leverage === null ? (
            `The leverage stays as ${exchangeName(account.exchange)} has it for ${symbol}.`
          ) : (
            <>
              {exchangeName(account.exchange)} is told <b class="figure">{leverage}×</b> for {symbol} before
              {outlook.margin === null ? (
                "."
              ) : (
                <>
                  ; about <b class="figure">{formatAmount(outlook.margin)}</b> USDT of margin.
                </>
              )}
            </>
          )}
        </li>
        <li>
          <b>Stop:</b> <Level level={draft.stop} at={outlook.stop} ends={outlook.atStop} price={price} />
          {draft.stop.way !== "none" && ". Enforced from the start."}
          {draft.sizeWay === "risk" && (
            <>
              {" "}
              There <b class="figure">{sizeOf(draft)} %</b> of the account's equity are lost, fees and slippage apart.
            </>
          )}
        </li>
        <li>
          <b>Target:</b> <Level level={draft.target} at={outlook.target} ends={outlook.atTarget} price={price} />
          {draft.target.way === "price" && ". Enforced from the start."}
          {draft.target.way === "trail" && ". It moves with the price: shown, and never fired."}
        </li>
        {purpose === "flow" && (
          <li>
            Flow <b>{draft.flow.trim()}</b>
            {draft.node.trim() ? `, node ${draft.node.trim()}` : ""}: the execution is followed until the position ends;
            stopping it closes the position.
          </li>
        )}
        <li>The order is sent once. If its answer is lost it is looked up, never sent again.</li>
      </ul>
      {draft.stop.way === "none" && (
        <p class="banner bad">
          <Icon name="warning" />
          <span>Without a stop, nothing but liquidation ends a loss.</span>
        </p>
      )}
    </>
  );
}

/** As it was stated, and what that comes to. */
function Size({ draft, outlook }: { draft: OpenDraft; outlook: OpenOutlook }) {
  const symbol = symbolOf(draft);
  const about = outlook.quantity === null ? null : formatQuantity(outlook.quantity);
  switch (draft.sizeWay) {
    case "quantity":
      return (
        <b class="figure">
          {about} {symbol}
        </b>
      );
    case "notional":
      return (
        <>
          <b class="figure">
            {symbol} for {formatAmount(outlook.notional)} USDT
          </b>
          {about && <span class="figure"> (about {about})</span>}
        </>
      );
    case "risk":
      return (
        <>
          as much <b>{symbol}</b> as loses <b class="figure">{sizeOf(draft)} %</b> of the account's equity at the stop,
        </>
      );
  }
}

interface LevelProps {
  level: LevelDraft;
  at: Decimal | null;
  ends: Decimal | null;
  price: Decimal | null;
}

function Level({ level, at, ends, price }: LevelProps) {
  if (level.way === "none") return <>none</>;
  const distance = distanceOf(level);
  const way = distance === null ? wayTo(at, price) : null;
  return (
    <>
      {distance !== null && (
        <>
          trails at <b class="figure">{percentOf(distance)}</b>
          {at === null ? "" : ", now "}
        </>
      )}
      {at !== null && (
        <>
          {distance === null && "at "}
          <b class="figure">{formatPrice(at, price)}</b>
          {way !== null && <span class="figure"> ({absolute(way)} % away)</span>}
        </>
      )}
      {ends !== null && (
        <>
          : <b class={`figure ${tone(ends)}`}>{formatPnl(ends)}</b> before fees
        </>
      )}
    </>
  );
}
