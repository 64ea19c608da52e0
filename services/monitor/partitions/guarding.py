"""Says each second what is guarded, and lastingly when that changes for an account."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import structlog

from services.common.errors import DomainError
from services.common.trading.partition import partition_of
from services.monitor.carrying.work import Claims
from services.monitor.domain.guard import GuardState, judge_guards
from services.monitor.domain.intent import Claim
from services.monitor.domain.position import Instrument, Position

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The partitions that are held and loaded, and which of their accounts are not guarded, with the reason.

    `followed_sequence`: the place in the stream up to which the facts about their levels were taken in.
    """

    partitions: tuple[int, ...]
    unguarded: Mapping[str, str]
    followed_sequence: int = 0


class Announces(Protocol):
    """Where heartbeats and changes go."""

    async def beat(self, heartbeat: Heartbeat) -> None:
        """Send it to whoever listens now."""
        ...

    async def changed(self, state: GuardState, claim: Claim) -> None:
        """Keep the state of an account, and tell of it if it is not what was kept before. Raises LeaseLost."""
        ...


class Guarding:
    """Judges and announces. `trouble_of_key` and `trouble_of_price` are empty where there is none."""

    def __init__(
        self,
        claims: Claims,
        announces: Announces,
        *,
        positions: Callable[[], Iterable[Position]],
        loaded: Callable[[], bool],
        trouble_of_key: Callable[[str], str],
        trouble_of_price: Callable[[Instrument], str],
        trouble_of_position: Callable[[Position], str] = lambda _: "",
        followed: Callable[[], int] = lambda: 0,
        judged: Callable[[int, Mapping[str, int]], None] = lambda _enforced, _unguarded: None,
    ) -> None:
        """`judged` is told how many positions are enforced here and, by reason, how many of them are not guarded."""
        self._claims = claims
        self._announces = announces
        self._positions = positions
        self._loaded = loaded
        self._trouble_of_key = trouble_of_key
        self._trouble_of_price = trouble_of_price
        self._trouble_of_position = trouble_of_position
        self._followed = followed
        self._judged = judged
        self._told: dict[str, GuardState] = {}

    def accounts(self) -> frozenset[str]:
        """The accounts with enforced positions in the partitions that are held."""
        held = self._claims.claims()
        return frozenset(
            position.account_id for position in self._positions() if partition_of(position.account_id) in held
        )

    async def beat(self) -> None:
        """Judge and announce once."""
        if not self._loaded():
            return
        held = self._claims.claims()
        followed = self._followed()
        positions = [position for position in self._positions() if partition_of(position.account_id) in held]
        states = judge_guards(
            positions,
            self._trouble_of_key,
            self._trouble_of_price,
            self._trouble_of_position,
        )
        unguarded = {state.account_id: state.reason for state in states if not state.guarded}
        self._judged(len(positions), _count(positions, unguarded))
        await self._announces.beat(Heartbeat(tuple(sorted(held)), unguarded, followed))
        now = {state.account_id: state for state in states}
        for account_id, state in now.items():
            if self._told.get(account_id) != state:
                await self._announces.changed(state, held[partition_of(account_id)])
                self._told[account_id] = state
        for account_id in self._told.keys() - now.keys():
            del self._told[account_id]

    async def run(self, interval_seconds: float) -> None:
        """Again and again, until cancelled."""
        while True:
            try:
                await self.beat()
            except DomainError as error:
                _log.info("guard not announced", reason=error.reason)
            await asyncio.sleep(interval_seconds)


def _count(positions: Iterable[Position], unguarded: Mapping[str, str]) -> Mapping[str, int]:
    """How many positions are not guarded, by the first word of the reason: what follows it may say anything."""
    if not unguarded:
        return {}
    return Counter(
        unguarded[position.account_id].partition(":")[0] for position in positions if position.account_id in unguarded
    )
