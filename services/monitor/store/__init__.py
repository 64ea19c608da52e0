"""The monitor's tables, a module a concern. The queries are in the rooms: closing/store.py, triggers/store.py."""

from services.monitor.store.closing import CLOSE_REQUESTS, INTENTS
from services.monitor.store.guards import GUARDS
from services.monitor.store.metadata import METADATA
from services.monitor.store.pauses import PAUSES
from services.monitor.store.prices import PRICE_EXTREMES, PRICES_WATCHED

__all__ = ["CLOSE_REQUESTS", "GUARDS", "INTENTS", "METADATA", "PAUSES", "PRICES_WATCHED", "PRICE_EXTREMES"]
