"""Facts in and out: the reconciler's own events as messages, and the events of positions that it acts upon."""

import asyncio
from datetime import datetime
from uuid import UUID, uuid5

from google.protobuf.timestamp_pb2 import Timestamp

from protos.positions.v1 import events_pb2 as positions_events
from protos.reconciler.v1 import events_pb2 as pb
from protos.reconciler.v1 import reconciler_pb2
from services.common.bus import Received, subject
from services.common.consumers import DurableConsumer
from services.common.outbox import OutboxEvent
from services.common.subjects import all_users, all_users_ephemeral
from services.reconciler.clients.vocabulary import VENUES, word
from services.reconciler.domain.observation import ObservableAccount
from services.reconciler.domain.run import AccountRun, Finding, RunResult, Suspicion
from services.reconciler.schedule import Schedule

OWNER = "reconciler"
ACCOUNT_CHANGED = all_users("positions", "account_changed")
ACCOUNT_STIRRED = tuple(all_users_ephemeral(service, "account_stirred") for service in ("positions", "monitor"))

_RESULTS = {
    RunResult.IN_STEP: reconciler_pb2.RUN_RESULT_IN_STEP,
    RunResult.PENDING: reconciler_pb2.RUN_RESULT_PENDING,
    RunResult.FAILED: reconciler_pb2.RUN_RESULT_FAILED,
}


def announce(
    run: AccountRun, version: int, before: Suspicion | None = None, after: Suspicion | None = None
) -> tuple[OutboxEvent, ...]:
    """discrepancy_found for each that was not pending before, then reconciliation_finished.

    reconciliation_suspicious follows when a doubt is announced, and again when it is over.
    """
    fresh = [finding for finding in run.findings.findings if finding.repaired or not finding.discrepancy.known]
    found = (_discrepancy_found(run, number, finding, version) for number, finding in enumerate(fresh))
    announced = before is not None and before.announced
    if after is not None and after.announced and not announced:
        return (*found, _finished(run, version), _suspicious(run, version, after, ended=False))
    if before is not None and announced and after is None:
        return (*found, _finished(run, version), _suspicious(run, version, before, ended=True))
    return (*found, _finished(run, version))


def write_run(run: AccountRun) -> reconciler_pb2.AccountRun:
    """A finished run as a message."""
    findings = run.findings
    return reconciler_pb2.AccountRun(
        run_id=str(run.run_id),
        account_id=run.account.account_id,
        exchange=run.account.exchange,
        result=_RESULTS[findings.result],
        adopted=findings.adopted,
        closed=findings.closed,
        adjusted=findings.adjusted,
        pending=findings.pending,
        reason=findings.reason,
        started_at=write_time(run.started_at),
        finished_at=write_time(run.finished_at),
        trigger=run.trigger,
        completed=findings.completed_exits,
        rounds=findings.rounds,
        user_id=run.account.user_id,
    )


def write_result(result: RunResult | None) -> reconciler_pb2.RunResult.ValueType:
    """How a run ended; unspecified where there was none."""
    return reconciler_pb2.RUN_RESULT_UNSPECIFIED if result is None else _RESULTS[result]


def write_time(moment: datetime) -> Timestamp:
    """An aware instant as a message."""
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp


class AccountEvents:
    """Handles account_changed. Repeating it, or taking it late, only makes a look happen that need not have."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule

    async def __call__(self, received: Received) -> None:
        """Put the account on the schedule, or take it off."""
        event = positions_events.AccountChanged.FromString(received.payload)
        if not event.verified:
            await self._schedule.account_unverified(event.account_id)
            return
        exchange = word(VENUES, event.exchange)
        await self._schedule.account_verified(ObservableAccount(event.account_id, event.user_id, exchange))


class Prompts:
    """Handles account_stirred: a private stream saw something, or an order found nothing to close.

    One that is lost is sent again, or costs an interval.
    """

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule

    async def __call__(self, received: Received) -> None:
        """Look at the account at once."""
        event = positions_events.AccountStirred.FromString(received.payload)
        await self._schedule.account_prompted(event.account_id)


async def watch_accounts(consumer: DurableConsumer, schedule: Schedule) -> None:
    """Consume until cancelled. What changed before there was a subscription is learnt by listing the accounts."""
    async with asyncio.TaskGroup() as group:
        group.create_task(consumer.run())
        await consumer.started()
        schedule.relist()


def _finished(run: AccountRun, version: int) -> OutboxEvent:
    event_id = uuid5(run.run_id, "reconciliation_finished")
    event = pb.ReconciliationFinished(
        event_id=str(event_id),
        occurred_at=write_time(run.finished_at),
        user_id=run.account.user_id,
        run=write_run(run),
    )
    return _outbox(run, version, "reconciliation_finished", event_id, event.SerializeToString())


def _suspicious(run: AccountRun, version: int, suspicion: Suspicion, *, ended: bool) -> OutboxEvent:
    event_id = uuid5(run.run_id, "reconciliation_suspicious")
    event = pb.ReconciliationSuspicious(
        event_id=str(event_id),
        occurred_at=write_time(run.finished_at),
        user_id=run.account.user_id,
        account_id=run.account.account_id,
        exchange=run.account.exchange,
        run_id=str(run.run_id),
        since=write_time(suspicion.since),
        reason="what the venue says is believed again" if ended else run.findings.suspicion,
        position_ids=[absence.position_id for absence in run.findings.absences if absence.suspicious],
        ended=ended,
    )
    return _outbox(run, version, "reconciliation_suspicious", event_id, event.SerializeToString())


def _discrepancy_found(run: AccountRun, number: int, finding: Finding, version: int) -> OutboxEvent:
    found = finding.discrepancy
    event_id = uuid5(run.run_id, f"discrepancy_found {number}")
    event = pb.DiscrepancyFound(
        event_id=str(event_id),
        occurred_at=write_time(run.finished_at),
        user_id=run.account.user_id,
        account_id=run.account.account_id,
        run_id=str(run.run_id),
        kind=found.kind,
        symbol=found.symbol,
        position_id=found.position_id,
        evidence=found.evidence,
        repaired=finding.repaired,
    )
    return _outbox(run, version, "discrepancy_found", event_id, event.SerializeToString())


def _outbox(run: AccountRun, version: int, fact: str, event_id: UUID, payload: bytes) -> OutboxEvent:
    return OutboxEvent(
        aggregate_id=run.account.account_id,
        version=version,
        subject=subject(OWNER, fact, run.account.user_id),
        payload=payload,
        id=event_id,
    )
