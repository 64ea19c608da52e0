"""How a process stands with the venues: answered to whoever asks it, and told to everybody every two seconds.

Invariants: it is told out of the process's memory, so telling asks no venue; each replica speaks for itself, under its
own name, and who wants the whole listens to all. It speaks in our messages, as `venues` does and says why.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import grpc

from protos.positions.v1 import types_pb2
from protos.venue.v1 import events_pb2, status_pb2, status_pb2_grpc
from services.common.clock import Clock
from services.common.exchange.budget import Budget
from services.common.process import Process
from services.common.server import Registration
from services.common.subjects import ephemeral_subject
from services.common.trading.side import Venue
from services.common.venues import Send

FULL_NAME = "venue.v1.VenueStatusService"
AGAIN_SECONDS = 2.0

_EXCHANGES = {Venue.BINANCE: types_pb2.EXCHANGE_BINANCE, Venue.BYBIT: types_pb2.EXCHANGE_BYBIT}
_UNITS = {Venue.BINANCE: "weight a minute", Venue.BYBIT: "requests a second"}
"""What the windows of `DEFAULT_LIMITS` count."""

Read = Callable[[], list[status_pb2.VenueStatus]]
"""Each venue once, as it stands now."""


def write_status(budget: Budget) -> status_pb2.VenueStatus:
    """How a budget stands now; the feed is for those to add who have one."""
    now = budget.state()
    status = status_pb2.VenueStatus(
        exchange=_EXCHANGES[budget.venue],
        budget=status_pb2.Budget(
            limit=budget.limits.address_limit,
            used=now.address_spent,
            unit=_UNITS[budget.venue],
            share=budget.limits.share,
        ),
    )
    if now.ban is not None:
        status.banned_until.FromDatetime(now.ban.until)
        status.ban_reason = now.ban.reason
    return status


class StatusRpc(status_pb2_grpc.VenueStatusServiceServicer):
    """How this process stands with the venues."""

    def __init__(self, replica: str, read: Read) -> None:
        self._replica = replica
        self._read = read

    async def GetVenueStatus(  # noqa: N802 - the name is the contract's
        self, request: status_pb2.GetVenueStatusRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> status_pb2.GetVenueStatusResponse:
        """Each venue as it stands now."""
        return status_pb2.GetVenueStatusResponse(venues=self._read(), replica=self._replica)


def registration(replica: str, read: Read) -> Registration:
    """How a server serves it."""
    return Registration(status_pb2_grpc.add_VenueStatusServiceServicer_to_server, StatusRpc(replica, read), FULL_NAME)


async def tell_standing(
    service: str, replica: str, read: Read, send: Send, clock: Clock, *, again_seconds: float = AGAIN_SECONDS
) -> None:
    """Tell how this process stands, again and again, until cancelled."""
    subject = ephemeral_subject(service, "venue_standing", replica)
    while True:
        message = events_pb2.VenueStanding(replica=replica, venues=read())
        message.sent_at.FromDatetime(clock.now())
        await send(subject, message.SerializeToString())
        await asyncio.sleep(again_seconds)


def offer(process: Process, read: Read, send: Send, clock: Clock) -> Registration:
    """Tell of this process for as long as it lives; how its server answers whoever asks."""
    process.spawn("told venues", tell_standing(process.service, process.replica, read, send, clock))
    return registration(process.replica, read)
