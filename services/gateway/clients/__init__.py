"""What the gateway needs of the other services: Protocols, implemented over their stubs.

Invariants: every call carries the user for whom it is made; one channel per service is shared by all of them; errors
are typed (the other side's own, ServiceUnavailable, RemoteFailure).
"""

from services.gateway.clients.health import SERVING, UNREACHABLE, GrpcHealth, ServiceHealth
from services.gateway.clients.monitor import Alerts, Closing, Evaluations, Flows, MonitorClient, Opening, Pauses
from services.gateway.clients.positions import (
    Accounts,
    Books,
    History,
    LivePositions,
    PositionsClient,
    SharingLive,
    Transactions,
    WatchingLive,
)
from services.gateway.clients.reconciler import ReconcilerClient, Reconciliation
from services.gateway.clients.venues import HeardVenues, Standing, VenuesClient, VenueStatuses

__all__ = [
    "SERVING",
    "UNREACHABLE",
    "Accounts",
    "Alerts",
    "Books",
    "Closing",
    "Evaluations",
    "Flows",
    "GrpcHealth",
    "HeardVenues",
    "History",
    "LivePositions",
    "MonitorClient",
    "Opening",
    "Pauses",
    "PositionsClient",
    "ReconcilerClient",
    "Reconciliation",
    "ServiceHealth",
    "SharingLive",
    "Standing",
    "Transactions",
    "VenueStatuses",
    "VenuesClient",
    "WatchingLive",
]
