"""Where accounts are observed and decisions applied, as the reconciler needs it."""

from collections.abc import Collection, Sequence
from typing import Protocol
from uuid import UUID

from services.reconciler.domain.decision import Decision, DecisionResult
from services.reconciler.domain.observation import ObservableAccount, Observation


class Observatory(Protocol):
    """Every call raises DomainErrors alone: ServiceUnavailable where nobody answers."""

    async def accounts(self, user_id: str | None = None) -> tuple[ObservableAccount, ...]:
        """Every account with a verified key, of one user or of all."""
        ...

    async def observe(
        self, account_id: str, *, with_margin: bool = True, estimated: Collection[str] = (), urgent: bool = False
    ) -> Observation:
        """The open rows as they were before the venue was asked, and then the reading.

        Without `with_margin` the margin is read only where no positions are listed. `estimated` are closed rows to
        bring with their fills; those that need none any more do not come back. What is `urgent` goes ahead of what is
        only due, where the venue's rate budget is short.

        A venue that fails is a reading that says so. Raises the error of reason ACCOUNT_NOT_FOUND.
        """
        ...

    async def apply(self, run_id: UUID, account_id: str, decisions: Sequence[Decision]) -> tuple[DecisionResult, ...]:
        """Put decisions into the books in one transaction; the same run and decision again changes nothing."""
        ...
