"""PositionsService."""

from protos.positions.v1 import positions_pb2, positions_pb2_grpc
from services.common.errors import FieldInvalid
from services.common.identity import current_peer
from services.common.server import Registration
from services.common.trading.level import NoLevel, Pinned
from services.positions.commands.fills import FillCommands
from services.positions.commands.levels import LevelCommands
from services.positions.queries.books import BookQueries
from services.positions.rpc import vocabulary as words
from services.positions.rpc.messages import fills_from_proto, position_to_proto
from services.positions.rpc.vocabulary import Context, page_size_of, positive_of, required


class PositionsRpc(positions_pb2_grpc.PositionsServiceServicer):
    """The books."""

    def __init__(self, queries: BookQueries, levels: LevelCommands, fills: FillCommands) -> None:
        self._queries = queries
        self._levels = levels
        self._fills = fills

    async def GetPosition(
        self, request: positions_pb2.GetPositionRequest, context: Context
    ) -> positions_pb2.GetPositionResponse:
        # The gateway speaks for one user always; a service that acts for the system may leave the user out.
        user_id = required(request.user_id, "user_id") if current_peer().service == "gateway" else request.user_id
        position = await self._queries.get_position(required(request.position_id, "position_id"), user_id or None)
        return positions_pb2.GetPositionResponse(position=position_to_proto(position))

    async def SetLevel(
        self, request: positions_pb2.SetLevelRequest, context: Context
    ) -> positions_pb2.SetLevelResponse:
        if request.expected_version < 0:
            raise FieldInvalid(field="expected_version", problem="is negative")
        position = await self._levels.set_level(
            required(request.user_id, "user_id"),
            required(request.position_id, "position_id"),
            words.LEVEL_KIND.to_domain(request.kind),
            _rule_from(request),
            request.expected_version or None,
        )
        return positions_pb2.SetLevelResponse(position=position_to_proto(position))

    async def ListEnforcedPositions(
        self, request: positions_pb2.ListEnforcedPositionsRequest, context: Context
    ) -> positions_pb2.ListEnforcedPositionsResponse:
        size = page_size_of(request.page_size)
        found = await self._queries.list_enforced(request.page_token, size)
        return positions_pb2.ListEnforcedPositionsResponse(
            positions=[position_to_proto(position) for position in found],
            next_page_token=found[-1].position_id if len(found) == size else "",
        )

    async def RecordFills(
        self, request: positions_pb2.RecordFillsRequest, context: Context
    ) -> positions_pb2.RecordFillsResponse:
        position = await self._fills.record_fills(
            required(request.position_id, "position_id"),
            fills_from_proto(request.fills),
            required(request.intent_id, "intent_id"),
        )
        return positions_pb2.RecordFillsResponse(position=position_to_proto(position))


def registration(servicer: PositionsRpc) -> Registration:
    """How a server takes it on."""
    return Registration(
        positions_pb2_grpc.add_PositionsServiceServicer_to_server, servicer, "positions.v1.PositionsService"
    )


def _rule_from(request: positions_pb2.SetLevelRequest) -> Pinned | NoLevel:
    match request.WhichOneof("rule"):
        case "pinned":
            return Pinned(positive_of(request.pinned.price, "price"))
        case "none":
            return NoLevel()
        case _:
            raise FieldInvalid(field="rule", problem="is required: a pinned price, or none")
