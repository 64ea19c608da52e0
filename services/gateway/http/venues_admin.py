"""How the services that ask the venues stand with them: their rate budgets, bans and feeds.

Invariant: each process of a service has a row for every venue, and a service of which none answers has rows that say
so; who does not answer hides nobody else.
"""

import asyncio
from collections.abc import Mapping

from protos.venue.v1 import status_pb2
from services.common.errors import DomainError
from services.common.status import RemoteFailure
from services.gateway.clients import VenueStatuses
from services.gateway.http import words
from services.gateway.http.json import Document, optional_instant


class BudgetDocument(Document, kw_only=True, frozen=True):
    """What the address may use in the venue's window, what of it is used now, and the part that the process reads with.

    `share` is above 0 and up to 1.
    """

    limit: int
    used: int
    unit: str
    share: float


class FeedDocument(Document, kw_only=True, frozen=True):
    """How prices arrive. `polling`: they are asked for because the stream is down.

    `priceAgeSeconds` is the age of the oldest price that is needed; null where no symbol is followed, and `up` says
    nothing then.
    """

    up: bool
    polling: bool
    price_age_seconds: float | None
    symbols: int


class VenueDocument(Document, kw_only=True, frozen=True):
    """How one process of a service stands with a venue. `replica` is its name: its host (the pod) and process id.

    Where no process answers nothing is known: `answering` is false and the rest null. `feed` is the monitor's alone.
    """

    service: str
    replica: str | None
    exchange: str
    answering: bool
    budget: BudgetDocument | None
    banned_until: str | None
    ban_reason: str | None
    feed: FeedDocument | None


async def read_venues(services: Mapping[str, VenueStatuses]) -> list[VenueDocument]:
    """The rows of every process of every service, each for every venue."""
    rows = await asyncio.gather(*(_read(name, venues) for name, venues in services.items()))
    return [row for of_service in rows for row in of_service]


async def _read(service: str, venues: VenueStatuses) -> list[VenueDocument]:
    try:
        standings = await venues.read()
    except (DomainError, RemoteFailure):
        return [_unknown(service, exchange) for exchange in words.EXCHANGES]
    return [_row(service, standing.replica, status) for standing in standings for status in standing.venues]


def _row(service: str, replica: str, status: status_pb2.VenueStatus) -> VenueDocument:
    budget = status.budget
    return VenueDocument(
        service=service,
        replica=replica,
        exchange=words.exchange(status.exchange),
        answering=True,
        budget=BudgetDocument(limit=budget.limit, used=budget.used, unit=budget.unit, share=budget.share),
        banned_until=optional_instant(status.banned_until, present=status.HasField("banned_until")),
        ban_reason=status.ban_reason or None,
        feed=_feed(status.feed) if status.HasField("feed") else None,
    )


def _feed(feed: status_pb2.Feed) -> FeedDocument:
    age = round(feed.price_age_seconds, 3) if feed.HasField("price_age_seconds") else None
    return FeedDocument(up=feed.up, polling=feed.polling, price_age_seconds=age, symbols=feed.symbols)


def _unknown(service: str, exchange: str) -> VenueDocument:
    return VenueDocument(
        service=service,
        replica=None,
        exchange=exchange,
        answering=False,
        budget=None,
        banned_until=None,
        ban_reason=None,
        feed=None,
    )
