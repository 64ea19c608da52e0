"""What this process hears besides heartbeats, and what it says in passing: facts that live as long as somebody listens.

Every replica hears all of it; nothing here is shared through a queue group.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal

import structlog

from protos.gateway.v1 import events_pb2 as gateway_events
from protos.monitor.v1 import events_pb2 as monitor_events
from protos.positions.v1 import events_pb2, types_pb2
from services.common.bus import Handler, Received
from services.common.clock import Clock
from services.common.follower import Follower
from services.common.subjects import all_users, all_users_ephemeral, ephemeral_subject
from services.common.trading.extremes import Extreme, TriggerPrice
from services.common.trading.money import parse_decimal
from services.common.trading.reading import PositionKey
from services.positions.guards import LevelPlace, LevelPlaces
from services.positions.readings import AccountReadings
from services.positions.rpc import vocabulary as words
from services.positions.rpc.vocabulary import stamp_of
from services.positions.store.streams import Streamed
from services.positions.streams.hearing import Booked
from services.positions.streams.watching import WatchedUsers
from services.positions.watermarks import Watermarks

_log = structlog.get_logger(__name__)

OWN_FACTS = [
    all_users("positions", fact)
    for fact in ("position_opened", "position_levels_changed", "position_closed", "account_changed")
]
EXTREMES = [all_users("monitor", "extreme_moved")]
WATCHED = [all_users_ephemeral("gateway", "user_watched")]

_TRIGGER_PRICES = {
    monitor_events.TRIGGER_PRICE_MARK: TriggerPrice.MARK,
    monitor_events.TRIGGER_PRICE_LAST: TriggerPrice.LAST,
}

Send = Callable[[str, bytes], Awaitable[bool]]


class OwnFacts:
    """Follows the facts of positions, whichever replica wrote them: what they change is not shown from memory.

    `on_user` is told whose view has changed, `on_account` whose key or switches have, `on_position` what the books say
    of a position of an account now.
    """

    def __init__(
        self,
        readings: AccountReadings,
        places: LevelPlaces,
        clock: Clock,
        *,
        on_user: Callable[[str], None],
        on_account: Callable[[str], None],
        on_position: Callable[[str, Booked], None] = lambda _account_id, _booked: None,
        on_missed: Callable[[], None] = lambda: None,
    ) -> None:
        self._readings = readings
        self._places = places
        self._clock = clock
        self._on_user = on_user
        self._on_account = on_account
        self._on_position = on_position
        self._on_missed = on_missed

    async def handle(self, message: Received) -> None:
        """One fact. Raises DecodeError, ValueError, FieldInvalid where it is not what its subject says."""
        match message.subject.split(".")[2]:
            case "account_changed":
                account = events_pb2.AccountChanged.FromString(message.payload)
                self._readings.drop(account.account_id, before=_moment(account))
                self._on_user(account.user_id)
                self._on_account(account.account_id)
            case "position_closed":
                self._ended(events_pb2.PositionClosed.FromString(message.payload))
            case "position_opened":
                self._changed(events_pb2.PositionOpened.FromString(message.payload), message.sequence)
            case _:
                self._changed(events_pb2.PositionLevelsChanged.FromString(message.payload), message.sequence)

    async def missed(self) -> None:
        """Facts were lost to this process: it cannot tell where levels came until now, nor which keys have changed."""
        self._on_missed()
        self._places.restart(self._clock.now())

    def _changed(self, fact: events_pb2.PositionOpened | events_pb2.PositionLevelsChanged, sequence: int) -> None:
        position, happened_at = fact.position, _moment(fact)
        levels = position.levels.SerializeToString(deterministic=True)
        self._places.put(position.position_id, LevelPlace(position.version, levels, sequence, happened_at))
        self._readings.drop(position.account_id, before=happened_at)
        self._on_position(position.account_id, Booked(_key_of(position), parse_decimal(position.quantity)))
        self._on_user(position.user_id)

    def _ended(self, fact: events_pb2.PositionClosed) -> None:
        position = fact.position
        self._places.remove(position.position_id)
        self._readings.drop(position.account_id, before=_moment(fact))
        # Where no fills tell how it ended, the moment is only when it was missed.
        ended_at = None if position.exit.estimated else position.exit.executed_at.ToDatetime(tzinfo=UTC)
        self._on_position(position.account_id, Booked(_key_of(position), Decimal(0), ended_at))
        self._on_user(position.user_id)


async def follow_own(facts: Follower, own: OwnFacts) -> None:
    """Follow until cancelled. Of levels armed before there was a place to follow from, nothing can be told."""
    async with asyncio.TaskGroup() as group:
        group.create_task(facts.run())
        await facts.started()
        await own.missed()


class ExtremeFacts:
    """Follows the monitor's extreme_moved."""

    def __init__(self, watermarks: Watermarks) -> None:
        self._watermarks = watermarks

    async def handle(self, message: Received) -> None:
        """One fact. Raises DecodeError, ValueError, FieldInvalid where it is not what its subject says."""
        fact = monitor_events.ExtremeMoved.FromString(message.payload)
        trigger_price = _TRIGGER_PRICES.get(fact.trigger_price)
        if trigger_price is not None:
            venue = words.EXCHANGE.to_domain(fact.exchange)
            self._watermarks.take(
                venue, fact.symbol, trigger_price, map(_extreme, fact.highs), map(_extreme, fact.lows)
            )

    async def missed(self) -> None:
        """Some are gone: the levels that they moved are shown behind those that fire, until the price moves on."""
        _log.warning("extremes missed")


def hear_watched(users: WatchedUsers, clock: Clock) -> Handler:
    """A handler of the gateways' user_watched."""

    async def hear(message: Received) -> None:
        user_id = gateway_events.UserWatched.FromString(message.payload).user_id
        if user_id:
            users.hear(user_id, clock.now())

    return hear


def stirring(send: Send, clock: Clock) -> Callable[[Streamed], Awaitable[None]]:
    """Says that an account is otherwise at its venue than in the books."""

    async def stir(account: Streamed) -> None:
        message = events_pb2.AccountStirred(
            sent_at=stamp_of(clock.now()),
            user_id=account.user_id,
            account_id=account.account_id,
            exchange=words.EXCHANGE.to_proto(account.venue),
        )
        await send(ephemeral_subject("positions", "account_stirred", account.user_id), message.SerializeToString())

    return stir


def _extreme(message: monitor_events.Extreme) -> Extreme:
    return Extreme(parse_decimal(message.price), message.at.ToDatetime(tzinfo=UTC))


def _key_of(position: types_pb2.Position) -> PositionKey:
    return PositionKey(position.symbol, words.POSITION_SIDE.to_domain(position.position_side))


def _moment(
    fact: events_pb2.PositionOpened
    | events_pb2.PositionLevelsChanged
    | events_pb2.PositionClosed
    | events_pb2.AccountChanged,
) -> datetime:
    return fact.occurred_at.ToDatetime(tzinfo=UTC)
