"""Reconciling: one account at a time, never twice at once.

Invariants: an account is looked at only under a claim on it; whoever asks for an account that is being looked at joins
that run, which looks once more where its last look had begun before; one account's failure is that account's result and
no other's.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol
from uuid import UUID, uuid4

import structlog

from services.common.clock import Clock
from services.common.errors import DomainError, NoVerifiedApiKeys
from services.common.outbox import OutboxEvent
from services.reconciler.clients.observatory import Observatory
from services.reconciler.domain.absence import PendingAbsence
from services.reconciler.domain.observation import ObservableAccount
from services.reconciler.domain.run import AccountRun, Findings, RunResult, Trigger
from services.reconciler.domain.schedule import next_due
from services.reconciler.examination import Examination
from services.reconciler.store.accounts import AccountStore, Claim
from services.reconciler.store.runs import RunStore

_log = structlog.get_logger(__name__)

_DEADLINE_SHARE = 0.8
"""A run ends before its lease does, so that nobody takes over an account whose run is still writing."""

_ELSEWHERE_POLL_SECONDS = 0.2


class Announce(Protocol):
    """Turns a finished run into the events that say so; `version` grows with each run of the account."""

    def __call__(self, run: AccountRun, version: int) -> Iterable[OutboxEvent]: ...


@dataclass(slots=True)
class _UnderWay:
    """A run of this process, and whether somebody has joined since its last look began."""

    task: "asyncio.Task[AccountRun]"
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
        interval: timedelta,
        lease: timedelta,
        announce: Announce,
        finished: Callable[[], None],
    ) -> None:
        self._examination = examination
        self._accounts = accounts
        self._runs = runs
        self._clock = clock
        self._owner = owner
        self._interval = interval
        self._lease = lease
        self._announce = announce
        self._finished = finished
        self._under_way: dict[str, _UnderWay] = {}

    @property
    def under_way(self) -> int:
        """How many accounts this process is looking at now."""
        return len(self._under_way)

    async def claim_due(self, limit: int) -> list[Claim]:
        """Claim accounts that are due."""
        return await self._accounts.claim_due(self._owner, self._clock.now(), self._lease, limit)

    def start(self, claim: Claim, trigger: Trigger) -> "asyncio.Task[AccountRun]":
        """Look at a claimed account. The task raises DomainErrors where the result could not be kept."""
        account_id = claim.account.account_id
        task = asyncio.create_task(self._run(claim, trigger), name=f"reconcile {account_id}")
        self._under_way[account_id] = _UnderWay(task)
        task.add_done_callback(lambda _: self._end(account_id))
        return task

    async def reconcile(self, account: ObservableAccount) -> AccountRun:
        """Look at one account now, or join whoever is at it. Raises AccountNotScheduled, LeaseLost."""
        asked_at = self._clock.now()
        while True:
            running = self._under_way.get(account.account_id)
            if running is not None:
                running.joined = True
                return await asyncio.shield(running.task)
            claim = await self._accounts.claim_account(account.account_id, self._owner, self._clock.now(), self._lease)
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

    async def _run(self, claim: Claim, trigger: Trigger) -> AccountRun:
        run_id, started_at = uuid4(), self._clock.now()
        log = _log.bind(run_id=str(run_id), account_id=claim.account.account_id, trigger=trigger)
        try:
            before = await self._runs.absences(claim.account.account_id)
            findings = await self._examine(run_id, claim, before)
        except asyncio.CancelledError:
            await self._accounts.release(claim)
            raise
        if findings.account_gone:
            await self._accounts.remove(claim.account.account_id)
        run = AccountRun(run_id, claim.account, trigger, findings, started_at, self._clock.now())
        if not findings.account_gone:
            failures = 0 if findings.read_whole else claim.failures + 1
            due_at = next_due(run.finished_at, failures, self._interval)
            await self._runs.finish(claim, run, due_at, self._announce(run, claim.epoch))
        log.info("account reconciled", result=findings.result, reason=findings.reason, rounds=findings.rounds)
        return run

    async def _examine(self, run_id: UUID, claim: Claim, before: tuple[PendingAbsence, ...]) -> Findings:
        account_id = claim.account.account_id
        try:
            async with asyncio.timeout(self._lease.total_seconds() * _DEADLINE_SHARE):
                return await self._examination.run(run_id, account_id, before, lambda: self._take_joined(account_id))
        except TimeoutError:
            return Findings(RunResult.FAILED, reason="the account could not be read in time", absences=before)
        except Exception:  # noqa: BLE001 - the edge of one account's run: the other accounts' must go on
            _log.exception("run failed", account_id=account_id)
            return Findings(RunResult.FAILED, reason="an internal error", absences=before)

    def _take_joined(self, account_id: str) -> bool:
        running = self._under_way.get(account_id)
        if running is None or not running.joined:
            return False
        running.joined = False
        return True

    def _end(self, account_id: str) -> None:
        ended = self._under_way.pop(account_id)
        if not ended.task.cancelled() and (error := ended.task.exception()) is not None:
            log = _log.warning if isinstance(error, DomainError) else _log.error
            log("run not kept", account_id=account_id, exc_info=error)
        self._finished()


class SyncUser:
    """Reconciles all accounts of one user now."""

    def __init__(
        self, *, observatory: Observatory, accounts: AccountStore, reconciliation: Reconciliation, clock: Clock
    ) -> None:
        self._observatory = observatory
        self._accounts = accounts
        self._reconciliation = reconciliation
        self._clock = clock

    async def __call__(self, user_id: str) -> tuple[AccountRun, ...]:
        """The runs, one an account, in order of account id. Raises NoVerifiedApiKeys, ServiceUnavailable."""
        listed_at = self._clock.now()
        accounts = await self._observatory.accounts(user_id)
        await self._accounts.replace(accounts, listed_at, user_id=user_id)
        if not accounts:
            raise NoVerifiedApiKeys
        runs = await asyncio.gather(*(self._reconciliation.reconcile(account) for account in accounts))
        return tuple(sorted(runs, key=lambda run: run.account.account_id))
