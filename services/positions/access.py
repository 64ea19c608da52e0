"""Which service may call what. A method that is not here answers nobody."""

from services.common.identity import AccessTable

_GATEWAY = frozenset({"gateway"})
_MONITOR = frozenset({"monitor"})
_RECONCILER = frozenset({"reconciler"})

ACCESS: AccessTable = {
    "positions.v1.AccountsService/AddAccount": _GATEWAY,
    "positions.v1.AccountsService/ListAccounts": _GATEWAY | _MONITOR,
    "positions.v1.AccountsService/LeaseCredentials": _MONITOR,
    "positions.v1.AccountsService/VerifyAccount": _GATEWAY,
    "positions.v1.AccountsService/SetTrading": _GATEWAY,
    "positions.v1.AccountsService/RenameAccount": _GATEWAY,
    "positions.v1.AccountsService/SetAutoManage": _GATEWAY,
    "positions.v1.AccountsService/SetTriggerPrice": _GATEWAY,
    "positions.v1.AccountsService/RemoveAccount": _GATEWAY,
    "positions.v1.AccountsService/SetPlan": _GATEWAY,
    "positions.v1.AccountsService/GetPlan": _GATEWAY,
    "positions.v1.PositionsService/GetPosition": _GATEWAY | _MONITOR,
    "positions.v1.PositionsService/SetLevel": _GATEWAY | _MONITOR,
    "positions.v1.PositionsService/ListEnforcedPositions": _MONITOR,
    "positions.v1.PositionsService/RecordFills": _MONITOR,
    "positions.v1.PositionsService/RecordOpening": _MONITOR,
    "positions.v1.PositionsService/RecordOrder": _MONITOR,
    "positions.v1.PositionsService/ListPositions": _GATEWAY | _MONITOR,
    "positions.v1.PositionsService/ManagePosition": _GATEWAY,
    "positions.v1.PositionsService/ReleasePosition": _GATEWAY,
    "positions.v1.PositionsService/RecordCloseAdvice": _GATEWAY | _MONITOR,
    "positions.v1.PositionsService/ListTimeline": _GATEWAY | _MONITOR,
    "positions.v1.PositionsService/ListTransactions": _GATEWAY,
    "positions.v1.PositionsService/GetTransaction": _GATEWAY,
    "positions.v1.LivePositionsService": _GATEWAY | _MONITOR,
    "positions.v1.HistoryService": _GATEWAY,
    "positions.v1.ObservationService": _RECONCILER,
    "venue.v1.VenueStatusService": _GATEWAY,
}
