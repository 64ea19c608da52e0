"""How the processes of a service that asks the venues stand with them.

Invariants: each process speaks for itself, so what is known of a service is what each of its processes said last; one
that has not said anything for a while is gone; where none was heard, one is asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import grpc

from protos.venue.v1 import events_pb2, status_pb2, status_pb2_grpc
from services.common.bus import Received
from services.common.clock import Clock
from services.common.subjects import all_users_ephemeral

_TIMEOUT_SECONDS = 1.0
"""It answers out of its memory, so that one that does not is not worth a wait."""
_KEPT = timedelta(seconds=7)
"""Each tells every two seconds: three in a row may be lost."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How one process of a service stands with each venue."""

    replica: str
    venues: Sequence[status_pb2.VenueStatus]


class VenueStatuses(Protocol):
    """How one service stands with the venues."""

    async def read(self) -> Sequence[Standing]:
        """Each of its processes that is known of, by name."""
        ...


class VenuesClient:
    """VenueStatuses over a channel to a service: the process that happens to answer, alone."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._venues = status_pb2_grpc.VenueStatusServiceStub(channel)

    async def read(self) -> Sequence[Standing]:
        request = status_pb2.GetVenueStatusRequest()
        answer = await self._venues.GetVenueStatus(request, timeout=_TIMEOUT_SECONDS)
        return [Standing(answer.replica, answer.venues)]


class HeardVenues:
    """VenueStatuses out of what all processes of a service tell; subscribe `hear` to `subjects`."""

    def __init__(self, service: str, ask: VenueStatuses, clock: Clock) -> None:
        """`ask`: who is asked while nobody was heard, as in the first seconds or without NATS."""
        self.subjects = (all_users_ephemeral(service, "venue_standing"),)
        self._ask = ask
        self._clock = clock
        self._heard: dict[str, tuple[datetime, Standing]] = {}

    async def hear(self, message: Received) -> None:
        """Take in what a process tells."""
        told = events_pb2.VenueStanding.FromString(message.payload)
        self._heard[told.replica] = (self._clock.now(), Standing(told.replica, told.venues))
        self._forget()

    async def read(self) -> Sequence[Standing]:
        """Each process that was heard of late; raises what `ask` raises where none was."""
        self._forget()
        if not self._heard:
            return await self._ask.read()
        return [standing for _, (_, standing) in sorted(self._heard.items())]

    def _forget(self) -> None:
        now = self._clock.now()
        self._heard = {replica: heard for replica, heard in self._heard.items() if now - heard[0] < _KEPT}
