/** What happened, from the books. */
import { useMemo, useState } from "preact/hooks";
import { explain } from "../act";
import {
  type Choice,
  EVERYTHING,
  queryOf,
  readBreakdown,
  readEquity,
  readHistory,
  readSummary,
  saveHistory,
  saveReport,
} from "../api/performance";
import { curveOf } from "../equity";
import { useFacts } from "../live/happenings";
import { useLoad, usePages } from "../load";
import { notify } from "../notices";
import { Breakdowns } from "../parts/breakdowns";
import { EquityChart } from "../parts/equity-chart";
import { History } from "../parts/history";
import { Icon } from "../parts/icons";
import { ChoiceFilters, PeriodPicker } from "../parts/period-picker";
import { StatTiles } from "../parts/stat-tiles";
import { Empty, Failure, Loading, More } from "../parts/states";

const PAGE = 100;

export function PerformancePage() {
  const [choice, setChoice] = useState<Choice>(EVERYTHING);
  const subject = queryOf(choice).toString();
  const figures = useLoad(subject, () => readSummary(choice));
  const days = useLoad(subject, () => readEquity(choice));
  const breakdown = useLoad(subject, () => readBreakdown(choice));
  const history = usePages(subject, async (cursor) => {
    const page = await readHistory(choice, PAGE, cursor);
    return { rows: page.positions, nextCursor: page.nextCursor };
  });
  // A close that happens while one watches belongs here too.
  useFacts(["position_closed", "position_exit_completed"], () => {
    figures.reload();
    days.reload();
    breakdown.reload();
    history.reload();
  });
  const closed = history.rows ?? [];
  const curve = useMemo(
    () => curveOf(days.value ?? [], history.rows ?? [], history.more),
    [days.value, history.rows, history.more],
  );
  const picker = {
    choice,
    choose: (change: Partial<Choice>) => setChoice((before) => ({ ...before, ...change })),
    symbols: [...new Set(closed.map((one) => one.pair))].sort(),
  };
  const narrowed = choice.exchange || choice.symbol || choice.flow;

  return (
    <>
      <header class="page-head">
        <h1>Performance</h1>
        <span class="badge">Historical</span>
        <PeriodPicker {...picker} />
        <Exports choice={choice} />
      </header>
      <ChoiceFilters {...picker} />
      {figures.error !== null && <Failure error={figures.error} retry={figures.reload} />}
      {history.error !== null && figures.error === null && <Failure error={history.error} retry={history.reload} />}
      {figures.value && <StatTiles figures={figures.value} />}
      {history.loading && !history.rows && <Loading rows={4} what="history" />}
      {history.rows?.length === 0 && (
        <Empty icon="performance" title={narrowed ? "None fits" : "Nothing was closed in this period"}>
          <p>
            {narrowed
              ? "Choose another exchange, symbol or flow above, or a longer period."
              : "Choose a longer period above, or close a position: it appears here the moment its fills are booked."}
          </p>
        </Empty>
      )}
      {closed.length > 0 && (
        <>
          <div class="two-columns curve">
            <section class="panel" aria-label="Equity curve">
              <header class="exchange-head">
                <h2>Equity curve</h2>
                <span class="muted">realised, net of fees{curve.daily ? ", by day" : ""}</span>
              </header>
              {days.error !== null && <Failure error={days.error} retry={days.reload} />}
              {curve.points.length > 0 ? (
                <EquityChart points={curve.points} />
              ) : (
                <p class="muted pad">No exit of this period has exact figures yet.</p>
              )}
            </section>
            {breakdown.value ? (
              <Breakdowns breakdown={breakdown.value} />
            ) : breakdown.error !== null ? (
              <Failure error={breakdown.error} retry={breakdown.reload} />
            ) : (
              <Loading what="breakdown" rows={3} />
            )}
          </div>
          <History closed={closed} more={history.more} />
          <More pages={history} />
        </>
      )}
    </>
  );
}

function Exports({ choice }: { choice: Choice }) {
  const [busy, setBusy] = useState(false);
  const save = async (write: (choice: Choice) => Promise<void>) => {
    setBusy(true);
    try {
      await write(choice);
    } catch (error) {
      notify(explain(error), "failed");
    } finally {
      setBusy(false);
    }
  };
  return (
    <div class="exports">
      <button type="button" class="small" disabled={busy} onClick={() => void save(saveHistory)}>
        <Icon name="file" size={15} /> CSV
      </button>
      <button type="button" class="small" disabled={busy} onClick={() => void save(saveReport)}>
        <Icon name="file" size={15} /> PDF
      </button>
    </div>
  );
}
