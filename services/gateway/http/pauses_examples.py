"""What the routes of pauses answer, as the documentation shows it."""

from services.gateway.http.examples import Json

_NOTHING: Json = {"openingPaused": False, "closingPaused": False, "reason": None, "setBy": None, "setAt": None}
_OPENING: Json = {
    "openingPaused": True,
    "closingPaused": False,
    "reason": "the exchange announced maintenance",
    "setBy": "demo",
    "setAt": "2025-10-21T12:00:00.000Z",
}
PAUSE_BODY: Json = {"openingPaused": True, "closingPaused": False, "reason": "the exchange announced maintenance"}
PAUSE: Json = {"success": True, "pause": _OPENING}
PAUSES: Json = {"success": True, "pause": _OPENING, "everybody": _NOTHING}
