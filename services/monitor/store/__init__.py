"""The monitor's tables, a module a concern. The queries are in the rooms, each in a store.py of its own, guards' in
partitions/announcing.py."""

from services.monitor.store.alerts import (
    ALERT_REQUESTS,
    ALERT_STATES,
    ALERT_WATCHES,
    ALERTS,
    STOPS_TOLD,
    TRIGGERED_ALERTS,
    WEBHOOK_DELIVERIES,
    WEBHOOKS,
)
from services.monitor.store.closing import CLOSE_REQUESTS, INTENTS
from services.monitor.store.evaluations import ADVISOR_SETTINGS, ADVISOR_SPENDING, EVALUATIONS
from services.monitor.store.flows import EXECUTION_UPDATES, EXECUTIONS
from services.monitor.store.guards import GUARDS
from services.monitor.store.metadata import METADATA
from services.monitor.store.opening import OPENINGS
from services.monitor.store.pauses import PAUSES
from services.monitor.store.prices import PRICE_EXTREMES, PRICES_WATCHED

__all__ = [
    "ADVISOR_SETTINGS",
    "ADVISOR_SPENDING",
    "ALERTS",
    "ALERT_REQUESTS",
    "ALERT_STATES",
    "ALERT_WATCHES",
    "CLOSE_REQUESTS",
    "EVALUATIONS",
    "EXECUTIONS",
    "EXECUTION_UPDATES",
    "GUARDS",
    "INTENTS",
    "METADATA",
    "OPENINGS",
    "PAUSES",
    "PRICES_WATCHED",
    "PRICE_EXTREMES",
    "STOPS_TOLD",
    "TRIGGERED_ALERTS",
    "WEBHOOKS",
    "WEBHOOK_DELIVERIES",
]
