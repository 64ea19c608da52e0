/** What the advisor thought of a position, what became of it, and the sentiment that it goes by. */
import { type Evaluation, readAdvisor, readEvaluations, readSentiment } from "../api/advisor";
import { capital, formatInstant, formatPnl, formatPrice, words } from "../format";
import { useFacts } from "../live/happenings";
import { useLoad, usePages } from "../load";
import { Link } from "../router";
import { Icon } from "./icons";
import { REACHABLE } from "./reachable";
import { Failure, Loading, More } from "./states";

const MODES = { off: "off", advise: "advises only", act: "may act" } as const;
const OUTCOMES: Record<Evaluation["outcome"], string> = {
  held: "idle",
  acted: "good",
  advised: "doubt",
  withheld: "idle",
  failed: "bad",
};

function what(one: Evaluation): string {
  if (one.action === "move_stop") return `Stop to ${formatPrice(one.price)}`;
  if (one.action === "move_target") return `Target to ${formatPrice(one.price)}`;
  return one.action === "close" ? "Close it" : "Hold";
}

function Line({ one }: { one: Evaluation }) {
  const by = one.model ?? one.advisor;
  const latency = one.latencyMilliseconds === null ? null : `${one.latencyMilliseconds} ms`;
  const facts = [
    `${one.confidence} % sure`,
    one.action === "hold" ? null : `urgency ${one.urgency}`,
    one.markPrice && `mark ${formatPrice(one.markPrice)}`,
    one.sentiment && `sentiment ${formatPnl(one.sentiment)}`,
    [`by ${by}`, latency, one.costUsd && Number(one.costUsd) > 0 ? `$${Number(one.costUsd).toFixed(4)}` : null]
      .filter(Boolean)
      .join(", "),
  ];
  return (
    <li class={one.action === "close" ? "urgent" : undefined}>
      <time class="figure muted">{formatInstant(one.timestamp)}</time>
      <b>
        {what(one)}{" "}
        {one.outcome !== "held" && (
          <span class={`token ${OUTCOMES[one.outcome]}`}>
            <span>{one.outcome}</span>
          </span>
        )}
      </b>
      <p class="why">{capital(one.reason)}</p>
      {one.outcomeReason && <p class="muted">{capital(one.outcomeReason)}</p>}
      {one.fallbackReason && <p class="muted">The rules answered in its place: {one.fallbackReason}</p>}
      <p class="muted figure small">{facts.filter(Boolean).join(" · ")}</p>
    </li>
  );
}

export function Evaluations({ id, symbol, open }: { id: string; symbol: string; open: boolean }) {
  const pages = usePages(id, async (cursor) => {
    const page = await readEvaluations(id, cursor);
    return { rows: page.evaluations, nextCursor: page.nextCursor };
  });
  const advisor = useLoad("advisor", readAdvisor);
  useFacts(["position_evaluated"], (push) => {
    const about = (push.data as Evaluation | undefined)?.positionId;
    if (about === undefined || about === id) pages.reload();
  });
  return (
    <section class="panel" aria-label="Advisor">
      <header class="exchange-head">
        <h2>Advisor</h2>
        {advisor.value && (
          <Link to="/settings" class="muted">
            {MODES[advisor.value.mode]}
          </Link>
        )}
      </header>
      {open && <SentimentLine symbol={symbol} />}
      {pages.error !== null && <Failure error={pages.error} retry={pages.reload} />}
      {pages.loading && !pages.rows && <Loading what="evaluations" rows={2} />}
      {pages.rows?.length === 0 && (
        <p class="muted pad">
          {advisor.value?.mode === "off" ? (
            <>
              The advisor is switched off in <Link to="/settings">Settings</Link>.
            </>
          ) : open ? (
            "It has not been looked at yet: the advisor looks at every position about twice a minute."
          ) : (
            "The advisor did not look at it."
          )}
        </p>
      )}
      {pages.rows && pages.rows.length > 0 && (
        <ol class="timeline evaluations" {...REACHABLE}>
          {pages.rows.map((one) => (
            <Line key={one.id} one={one} />
          ))}
        </ol>
      )}
      <More pages={pages} />
    </section>
  );
}

function SentimentLine({ symbol }: { symbol: string }) {
  const sentiment = useLoad(symbol, () => readSentiment(symbol));
  const known = sentiment.value;
  if (!known || (known.score === null && known.sources.length === 0)) return null;
  const score = known.score === null ? null : Number(known.score);
  const mood = score === null ? "not known" : score > 0.15 ? "bullish" : score < -0.15 ? "bearish" : "neutral";
  const told = known.sources.map((one) => `${words(one.name)} ${formatPnl(one.score)} of ${one.count}`);
  const missing = Object.entries(known.missing).map(([name, why]) => `${words(name)} is missing: ${why}`);
  return (
    <p class="pad sentiment">
      <Icon name="advice" size={16} /> Sentiment of {symbol}: <b>{mood}</b>
      {score !== null && <span class="figure"> {formatPnl(known.score)}</span>}{" "}
      <small class="muted">{[...told, ...missing].join("; ")}</small>
    </p>
  );
}
