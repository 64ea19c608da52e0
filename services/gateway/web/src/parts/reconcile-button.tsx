/** Reconciles one account now, and says what came of it. */
import { useAct } from "../act";
import { reconcileAccount } from "../api/reconciliation";
import { capital, exchangeName, words } from "../format";
import { tellDone } from "../live/sentences";
import { notify } from "../notices";
import { Icon } from "./icons";

export function ReconcileButton({ accountId, done }: { accountId: string; done: () => void }) {
  const { busy, run } = useAct();
  const reconcile = async () => {
    const said = await run(async (key) => {
      try {
        const { runs } = await reconcileAccount(accountId, key);
        for (const one of runs) {
          const what = [words(one.result), tellDone(one), one.reason].filter(Boolean).join(": ");
          notify(`${exchangeName(one.exchange)}: ${what}`, one.result === "failed" ? "failed" : "done");
        }
      } catch (error) {
        notify(capital(error instanceof Error ? error.message : String(error)), "failed");
        throw error;
      }
    });
    if (said) done();
  };
  return (
    <button type="button" class="small" disabled={busy} onClick={() => void reconcile()}>
      <Icon name="sync" size={15} /> {busy ? "Reading…" : "Reconcile now"}
    </button>
  );
}
