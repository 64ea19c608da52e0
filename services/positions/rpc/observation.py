"""ObservationService."""

from protos.positions.v1 import observation_pb2, observation_pb2_grpc
from services.common.errors import FieldInvalid
from services.common.exchange.budget import Lane
from services.common.server import Registration
from services.positions.commands.decisions import DecisionCommands
from services.positions.domain.account import Account
from services.positions.domain.decision import Act, Adjust, Adopt, Close, CloseEstimated, CompleteExit, Decision
from services.positions.queries.observation import ObservationQueries, ObservedRow
from services.positions.rpc import vocabulary as words
from services.positions.rpc.messages import (
    fill_to_proto,
    fills_from_proto,
    moment_from,
    reading_to_proto,
    venue_position_from_proto,
)
from services.positions.rpc.vocabulary import (
    Context,
    held,
    number_of,
    optional_text,
    page_size_of,
    required,
    stamp_of,
    text_of,
)


class ObservationRpc(observation_pb2_grpc.ObservationServiceServicer):
    """The reconciler's door to the books."""

    def __init__(self, queries: ObservationQueries, commands: DecisionCommands) -> None:
        self._queries = queries
        self._commands = commands

    async def ListObservableAccounts(
        self, request: observation_pb2.ListObservableAccountsRequest, context: Context
    ) -> observation_pb2.ListObservableAccountsResponse:
        size = page_size_of(request.page_size)
        found = await self._queries.list_observable(
            optional_text(request.user_id, "user_id"), held(request.page_token, "page_token"), size
        )
        return observation_pb2.ListObservableAccountsResponse(
            accounts=[_account_to_proto(account) for account in found],
            next_page_token=found[-1].account_id if len(found) == size else "",
        )

    async def ObserveAccount(
        self, request: observation_pb2.ObserveAccountRequest, context: Context
    ) -> observation_pb2.ObserveAccountResponse:
        seen = await self._queries.observe(
            required(request.account_id, "account_id"),
            with_margin=not request.without_margin,
            estimated_ids=frozenset(request.estimated_position_ids),
            lane=Lane.LIVE if request.urgent else Lane.RECONCILIATION,
        )
        return observation_pb2.ObserveAccountResponse(
            account=_account_to_proto(seen.account),
            booked=[_row_to_proto(row) for row in seen.booked],
            reading=reading_to_proto(seen.reading),
            estimated=[_row_to_proto(row) for row in seen.estimated],
            unbooked=[
                observation_pb2.UnbookedPosition(
                    symbol=one.key.symbol,
                    position_side=words.POSITION_SIDE.to_proto(one.key.position_side),
                    fills=[fill_to_proto(fill) for fill in one.fills],
                )
                for one in seen.unbooked
            ],
        )

    async def ApplyDecisions(
        self, request: observation_pb2.ApplyDecisionsRequest, context: Context
    ) -> observation_pb2.ApplyDecisionsResponse:
        results = await self._commands.apply(
            required(request.run_id, "run_id"),
            required(request.account_id, "account_id"),
            [_decision_from(message) for message in request.decisions],
        )
        return observation_pb2.ApplyDecisionsResponse(
            results=[
                observation_pb2.DecisionResult(
                    decision_id=result.decision_id,
                    outcome=words.OUTCOME.to_proto(result.outcome),
                    position_id=result.position_id,
                )
                for result in results
            ]
        )


def registration(servicer: ObservationRpc) -> Registration:
    """How a server takes it on."""
    return Registration(
        observation_pb2_grpc.add_ObservationServiceServicer_to_server, servicer, "positions.v1.ObservationService"
    )


def _account_to_proto(account: Account) -> observation_pb2.ObservableAccount:
    return observation_pb2.ObservableAccount(
        account_id=account.account_id, user_id=account.user_id, exchange=words.EXCHANGE.to_proto(account.venue)
    )


def _row_to_proto(row: ObservedRow) -> observation_pb2.BookedPosition:
    position = row.position
    return observation_pb2.BookedPosition(
        position_id=position.position_id,
        symbol=position.symbol,
        position_side=words.POSITION_SIDE.to_proto(position.position_side),
        side=words.SIDE.to_proto(position.side),
        quantity=text_of(position.quantity),
        entry_price=text_of(position.entry_price),
        leverage=text_of(position.leverage),
        settled_since=stamp_of(position.settlement.since),
        settled_until=stamp_of(position.settlement.until),
        version=position.version,
        fills=[fill_to_proto(fill) for fill in row.fills],
        fills_complete=row.fills_complete,
    )


def _decision_from(message: observation_pb2.Decision) -> Decision:
    return Decision(
        decision_id=required(message.decision_id, "decisions.decision_id"),
        act=_act_from(message),
        evidence=required(message.evidence, "decisions.evidence"),
    )


def _act_from(message: observation_pb2.Decision) -> Act:
    match message.WhichOneof("act"):
        case "adopt":
            return Adopt(
                seen=venue_position_from_proto(message.adopt.position),
                asked_at=moment_from(message.adopt, "asked_at"),
                taken_at=moment_from(message.adopt, "taken_at"),
                fills=fills_from_proto(message.adopt.fills),
            )
        case "close":
            return Close(
                position_id=required(message.close.position_id, "close.position_id"),
                expected_version=message.close.expected_version,
                fills=fills_from_proto(message.close.fills),
                final_quantity=number_of(message.close.final_quantity, "close.final_quantity"),
            )
        case "adjust":
            return Adjust(
                position_id=required(message.adjust.position_id, "adjust.position_id"),
                expected_version=message.adjust.expected_version,
                seen=venue_position_from_proto(message.adjust.position),
                asked_at=moment_from(message.adjust, "asked_at"),
                taken_at=moment_from(message.adjust, "taken_at"),
                fills=fills_from_proto(message.adjust.fills),
            )
        case "close_estimated":
            return CloseEstimated(
                position_id=required(message.close_estimated.position_id, "close_estimated.position_id"),
                expected_version=message.close_estimated.expected_version,
                missed_at=moment_from(message.close_estimated, "missed_at"),
            )
        case "complete_exit":
            return CompleteExit(
                position_id=required(message.complete_exit.position_id, "complete_exit.position_id"),
                expected_version=message.complete_exit.expected_version,
                fills=fills_from_proto(message.complete_exit.fills),
            )
        case _:
            raise FieldInvalid(field="decisions.act", problem="is required")
