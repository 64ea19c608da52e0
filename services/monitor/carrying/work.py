"""What is carried, and where it is kept."""

from collections.abc import Collection, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Protocol, TypeVar
from uuid import UUID

from services.monitor.domain.intent import Claim


class State(Protocol):
    """How far a piece of work has come."""

    @property
    def value(self) -> str: ...

    @property
    def over(self) -> bool: ...


class Work(Protocol):
    """One piece as its row was when it was read; its next state is another object.

    `work_id` stays the same from its first row to its last, `intent_id` is the row's own.
    """

    @property
    def work_id(self) -> UUID: ...

    @property
    def intent_id(self) -> UUID: ...

    @property
    def user_id(self) -> str: ...

    @property
    def position_id(self) -> str: ...

    @property
    def state(self) -> State: ...

    @property
    def outcome(self) -> object: ...

    @property
    def filled_quantity(self) -> Decimal: ...

    @property
    def reason(self) -> str: ...

    @property
    def claim(self) -> Claim | None: ...


W = TypeVar("W", bound=Work)
W_co = TypeVar("W_co", bound=Work, covariant=True)


class Rows(Protocol[W_co]):
    """The table of one kind of work."""

    async def latest(self, work_id: UUID) -> W_co:
        """The last row of a piece."""
        ...

    async def take_over(self, claims: Mapping[int, Claim]) -> Collection[W_co]:
        """Claim what is not over in these partitions and was not claimed under these very leases."""
        ...

    async def unmoved(self, claims: Mapping[int, Claim], since: datetime) -> Collection[UUID]:
        """The pieces that are claimed under these very leases, are not over, and were last written before a moment."""
        ...


class Claims(Protocol):
    """The partitions that this process holds now."""

    def claims(self) -> Mapping[int, Claim]:
        """The claim under which it may act, by partition."""
        ...
