"""The tables of prices: their extremes, and until when they were watched."""

from sqlalchemy import Column, Table, Text

from services.common.database import Money, UtcDateTime
from services.monitor.store.metadata import METADATA

PRICE_EXTREMES = Table(
    "price_extremes",
    METADATA,
    Column("venue", Text, primary_key=True),
    Column("symbol", Text, primary_key=True),
    Column("trigger_price", Text, primary_key=True),
    Column("side", Text, primary_key=True),
    Column("at", UtcDateTime, primary_key=True),
    Column("price", Money, nullable=False),
)

PRICES_WATCHED = Table(
    "prices_watched",
    METADATA,
    Column("venue", Text, primary_key=True),
    Column("symbol", Text, primary_key=True),
    Column("trigger_price", Text, primary_key=True),
    Column("until", UtcDateTime, nullable=False),
)
