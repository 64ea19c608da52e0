"""Reconciling: one account at a time, never twice at once.

Invariants: an account is looked at only under a claim on it; whoever asks for an account that is being looked at joins
that run, which looks once more where its last look had begun before; one account's failure is that account's result and
no other's.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID, uuid4

import structlog

from services.common.clock import Clock
from services.common.errors import DomainError, NoVerifiedApiKeys
from services.common.outbox import OutboxEvent
from services.common.trading.side import Venue
from services.reconciler.clients.observatory import Observatory
from services.reconciler.domain.errors import AccountNotScheduled
from services.reconciler.domain.observation import ObservableAccount
from services.reconciler.domain.run import AccountRun, Findings, Suspicion, Trigger, doubt
from services.reconciler.domain.schedule import FIRST_RECHECK, margin_due, next_due
from services.reconciler.examination import Brief, Examination, Tally
from services.reconciler.store.accounts import AccountStore, Claim
from services.reconciler.store.confirmations import ConfirmationStore
from services.reconciler.store.runs import RunStore

_log = structlog.get_logger(__name__)

_RENEWALS = 3
"""How often a lease is renewed in the time that it lasts."""

_ELSEWHERE_POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Cadence:
    """How often, and how long. `recheck` is when an account is looked at again that was left with something open.

    `longest_run` bounds one run; the lease is renewed as long as it lasts. `patience` is how long a doubt lasts before
    it is announced. `degraded_window` is how far back a venue's failures count, `degraded_share` how many are many.
    """

    interval: timedelta
    lease: timedelta
    recheck: timedelta = FIRST_RECHECK
    longest_run: timedelta = timedelta(seconds=100)
    patience: timedelta = timedelta(seconds=5)
    degraded_window: timedelta = timedelta(seconds=60)
    degraded_share: float = 0.2


class Announce(Protocol):
    """Turns a finished run into the events that say so; `version` grows with each run of the account."""

    def __call__(
        self, run: AccountRun, version: int, before: Suspicion | None, after: Suspicion | None
    ) -> Iterable[OutboxEvent]: ...


@dataclass(slots=True)
class _UnderWay:
    """A run of this process, and whether somebody has joined since its last look began."""

    task: "asyncio.Task[AccountRun]"
    claim: Claim
    trigger: Trigger
    joined: bool = field(default=False)


class Reconciliation:
    """Runs under claims, shared by those who ask for the same account."""

    def __init__(
        self,
        *,
        examination: Examination,
        accounts: AccountStore,
        runs: RunStore,
        clock: Clock,
        owner: str,
        cadence: Cadence,
        announce: Announce,
        finished: Callable[[AccountRun | None], None],
    ) -> None:
        self._examination = examination
        self._accounts = accounts
        self._runs = runs
        self._clock = clock
        self._owner = owner
        self._cadence = cadence
        self._announce = announce
        self._finished = finished
        self._under_way: dict[str, _UnderWay] = {}

    @property
    def under_way(self) -> int:
        """How many accounts this process is looking at now."""
        return len(self._under_way)

    def busy(self) -> Counter[Venue | Trigger]:
        """How many runs of the schedule are under way at each venue, and how many others for each reason.

        They are counted apart, so that a venue that answers slowly, or whose budget is used up, holds up neither the
        other venue nor what somebody asked for.
        """
        scheduled = Trigger.SCHEDULE
        return Counter(
            running.claim.account.exchange if running.trigger is scheduled else running.trigger
            for running in self._under_way.values()
        )

    async def claim_prompted(self, limit: int) -> list[Claim]:
        """Claim accounts that were asked for."""
        return await self._accounts.claim_prompted(self._owner, self._clock.now(), self._cadence.lease, limit)

    async def claim_due(self, exchange: Venue, limit: int) -> list[Claim]:
        """Claim accounts of a venue that are due."""
        return await self._accounts.claim_due(self._owner, self._clock.now(), self._cadence.lease, limit, exchange)

    def start(self, claim: Claim, trigger: Trigger) -> "asyncio.Task[AccountRun]":
        """Look at a claimed account. The task raises DomainErrors where the result could not be kept."""
        account_id = claim.account.account_id
        task = asyncio.create_task(self._run(claim, trigger), name=f"reconcile {account_id}")
        running = self._under_way[account_id] = _UnderWay(task, claim, trigger)
        task.add_done_callback(lambda _: self._end(account_id, running))
        return task

    async def reconcile(self, account: ObservableAccount) -> AccountRun:
        """Look at one account now, or join whoever is at it. Raises AccountNotScheduled, LeaseLost."""
        asked_at = self._clock.now()
        while True:
            running = self._under_way.get(account.account_id)
            if running is not None and not running.task.done():
                running.joined = True
                run = await asyncio.shield(running.task)
                if not running.joined:
                    return run
                # It had looked for the last time: what it says may be older than the question.
                continue
            now, lease = self._clock.now(), self._cadence.lease
            claim = await self._accounts.claim_account(account.account_id, self._owner, now, lease)
            if claim is not None:
                return await asyncio.shield(self.start(claim, Trigger.REQUEST))
            # Another replica is at it: its run answers us where it began after we asked, else ours follows it.
            await asyncio.sleep(_ELSEWHERE_POLL_SECONDS)
            latest = await self._runs.latest(account.account_id)
            if latest is not None and latest.started_at >= asked_at:
                return latest

    async def drain(self, grace_seconds: float) -> None:
        """Let the runs under way end for `grace_seconds`, then cancel them; their accounts stay due."""
        tasks = [running.task for running in self._under_way.values()]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace_seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def keep_leases(self) -> None:
        """Renew the leases of the accounts that are being looked at, until cancelled."""
        while True:
            await asyncio.sleep(self._cadence.lease.total_seconds() / _RENEWALS)
            claims = [running.claim for running in self._under_way.values()]
            if not claims:
                continue
            try:
                await self._accounts.renew(claims, self._clock.now() + self._cadence.lease)
            except DomainError as error:
                _log.warning("leases not renewed", reason=error.reason, accounts=len(claims))

    async def _run(self, claim: Claim, trigger: Trigger) -> AccountRun:
        run_id, started_at = uuid4(), self._clock.now()
        log = _log.bind(run_id=str(run_id), account_id=claim.account.account_id, trigger=trigger)
        try:
            findings = await self._examine(run_id, claim, await self._brief(claim, trigger, started_at))
        except asyncio.CancelledError:
            await self._accounts.release(claim)
            raise
        if findings.account_gone:
            await self._accounts.remove(claim.account.account_id)
        run = AccountRun(run_id, claim.account, trigger, findings, started_at, self._clock.now())
        if not findings.account_gone:
            after = doubt(claim.suspicion, run, self._cadence.patience)
            events = self._announce(run, claim.epoch, claim.suspicion, after)
            await self._runs.finish(claim, run, self._due_at(claim, run), events, after)
        log.info("account reconciled", result=findings.result, reason=findings.reason, rounds=findings.rounds)
        return run

    async def _brief(self, claim: Claim, trigger: Trigger, now: datetime) -> Brief:
        """What is known of the account so far."""
        account_id, cadence = claim.account.account_id, self._cadence
        absences = await self._runs.absences(account_id) if claim.pending_since is not None else ()
        estimated = await self._runs.estimated(account_id) if claim.awaits_fills else ()
        since = now - cadence.degraded_window
        return Brief(
            absences=absences,
            estimated=tuple(one.position_id for one in estimated if one.next_try_at <= now),
            degraded=bool(absences) and await self._runs.degraded(claim.account, since, cadence.degraded_share),
            with_margin=bool(absences)
            or claim.suspicion is not None
            or margin_due(claim.last_run_at, claim.failures, now, claim.ordinal),
            urgent=trigger is not Trigger.SCHEDULE,
        )

    def _due_at(self, claim: Claim, run: AccountRun) -> datetime:
        failures = 0 if run.findings.read_whole else claim.failures + 1
        return next_due(
            run.finished_at,
            failures,
            self._cadence.interval,
            claim.ordinal,
            pending_since=run.still_pending_since(claim.pending_since),
            recheck=self._cadence.recheck,
            due_at=claim.due_at if run.trigger is Trigger.SCHEDULE else None,
        )

    async def _examine(self, run_id: UUID, claim: Claim, brief: Brief) -> Findings:
        account_id, tally = claim.account.account_id, Tally(brief)
        try:
            async with asyncio.timeout(self._cadence.longest_run.total_seconds()):
                return await self._examination.run(
                    run_id, account_id, brief, lambda: self._take_joined(account_id), tally
                )
        except TimeoutError:
            return tally.cut_short("the account could not be read in time")
        except Exception:  # noqa: BLE001 - the edge of one account's run: the other accounts' must go on
            _log.exception("run failed", account_id=account_id)
            return tally.cut_short("an internal error")

    def _take_joined(self, account_id: str) -> bool:
        running = self._under_way.get(account_id)
        if running is None or not running.joined:
            return False
        running.joined = False
        return True

    def _end(self, account_id: str, ended: _UnderWay) -> None:
        # One that lost its lease may have been followed by another run of this process already.
        if self._under_way.get(account_id) is ended:
            del self._under_way[account_id]
        if not ended.task.cancelled() and (error := ended.task.exception()) is not None:
            log = _log.warning if isinstance(error, DomainError) else _log.error
            log("run not kept", account_id=account_id, exc_info=error)
        kept = None if ended.task.cancelled() or ended.task.exception() is not None else ended.task.result()
        self._finished(kept)


class SyncUser:
    """Reconciles all accounts of one user now."""

    def __init__(
        self, *, observatory: Observatory, accounts: AccountStore, reconciliation: Reconciliation, clock: Clock
    ) -> None:
        self._observatory = observatory
        self._accounts = accounts
        self._reconciliation = reconciliation
        self._clock = clock

    async def __call__(self, user_id: str, account_id: str = "") -> tuple[AccountRun, ...]:
        """The runs, one an account, in order of account id; of one account alone where one is named.

        Raises NoVerifiedApiKeys, AccountNotScheduled (also for another user's account), ServiceUnavailable.
        """
        listed_at = self._clock.now()
        accounts = await self._observatory.accounts(user_id)
        await self._accounts.replace(accounts, listed_at, user_id=user_id)
        if not accounts:
            raise NoVerifiedApiKeys
        if account_id:
            accounts = tuple(account for account in accounts if account.account_id == account_id)
            if not accounts:
                raise AccountNotScheduled(account_id=account_id)
        runs = await asyncio.gather(*(self._reconciliation.reconcile(account) for account in accounts))
        return tuple(sorted(runs, key=lambda run: run.account.account_id))


class ConfirmAbsence:
    """An operator's word that positions are really gone. Whoever calls has made sure that it is an operator."""

    def __init__(self, confirmations: ConfirmationStore, accounts: AccountStore, clock: Clock) -> None:
        self._confirmations = confirmations
        self._accounts = accounts
        self._clock = clock

    async def __call__(
        self, account_id: str, position_id: str, operator_id: str, note: str, request_id: str
    ) -> tuple[str, ...]:
        """Which positions it covers; their account is looked at at once. Raises NoPendingAbsence, RequestIdReused."""
        now = self._clock.now()
        confirmed = await self._confirmations.confirm(account_id, position_id, operator_id, note, request_id, now)
        await self._accounts.prompt(account_id, now)
        _log.warning("absence confirmed", account_id=account_id, position_ids=confirmed, operator_id=operator_id)
        return confirmed
