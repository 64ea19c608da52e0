"""The Observatory over the ObservationService of positions.

Invariant: an answer that does not fit the contract is ObservationUnreadable, never a guess at what was meant.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

import grpc.aio

from protos.positions.v1 import observation_pb2 as pb
from protos.positions.v1.observation_pb2_grpc import ObservationServiceStub
from services.common.errors import ServiceUnavailable
from services.common.status import RemoteFailure
from services.reconciler.clients.reading import read_account, read_observation, read_result
from services.reconciler.clients.writing import write_decision
from services.reconciler.domain.decision import Decision, DecisionResult
from services.reconciler.domain.errors import ObservationUnreadable
from services.reconciler.domain.observation import ObservableAccount, Observation

_PAGE_SIZE = 500


class PositionsObservatory:
    """See Observatory. Observing waits for a venue, and has a deadline of its own."""

    def __init__(self, channel: grpc.aio.Channel, observe_timeout_seconds: float) -> None:
        self._stub = ObservationServiceStub(channel)
        self._observe_timeout_seconds = observe_timeout_seconds

    async def accounts(self, user_id: str | None = None) -> tuple[ObservableAccount, ...]:
        """Every account with a verified key, of one user or of all."""
        found: list[ObservableAccount] = []
        request = pb.ListObservableAccountsRequest(user_id=user_id or "", page_size=_PAGE_SIZE)
        while True:
            with _typed_errors():
                page = await self._stub.ListObservableAccounts(request)
                found += [read_account(account) for account in page.accounts]
            if not page.next_page_token:
                return tuple(found)
            request.page_token = page.next_page_token

    async def observe(
        self, account_id: str, *, with_margin: bool = True, estimated: Collection[str] = (), urgent: bool = False
    ) -> Observation:
        """The open rows as they were before the venue was asked, and then the reading."""
        request = pb.ObserveAccountRequest(
            account_id=account_id,
            without_margin=not with_margin,
            estimated_position_ids=sorted(estimated),
            urgent=urgent,
        )
        with _typed_errors():
            return read_observation(await self._stub.ObserveAccount(request, timeout=self._observe_timeout_seconds))

    async def apply(self, run_id: UUID, account_id: str, decisions: Sequence[Decision]) -> tuple[DecisionResult, ...]:
        """Put decisions into the books in one transaction; the same run and decision again changes nothing."""
        request = pb.ApplyDecisionsRequest(
            run_id=str(run_id), account_id=account_id, decisions=[write_decision(decision) for decision in decisions]
        )
        with _typed_errors():
            answer = await self._stub.ApplyDecisions(request)
            return tuple(read_result(result) for result in answer.results)


@contextmanager
def _typed_errors() -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise ObservationUnreadable(problem=error) from error
    except RemoteFailure as error:
        raise ServiceUnavailable(service="positions") from error
