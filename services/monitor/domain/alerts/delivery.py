"""How a webhook's message is signed, and when it is sent again.

Invariant: no key of a user is stored: it is derived from one master key, the user and the generation of the webhook, so
that setting a webhook anew makes a new one.
"""

import hashlib
import hmac
from datetime import datetime, timedelta
from enum import StrEnum

ATTEMPTS = 12
"""With `retry_after` they spread over about a day."""

_FIRST_SECONDS = 1
_FACTOR = 4
_LONGEST = timedelta(hours=6)


class DeliveryState(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


def derive_secret(master: str, user_id: str, generation: int) -> str:
    """The key of a user's webhook, as it is shown to them."""
    purpose = f"tandem webhook {generation} {user_id}".encode()
    return "whsec_" + hmac.new(master.encode(), purpose, hashlib.sha256).hexdigest()


def sign(secret: str, body: bytes, now: datetime) -> str:
    """The value of X-Tandem-Signature: over the whole seconds of `now`, a dot and the body."""
    moment = int(now.timestamp())
    digest = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={moment},v1={digest}"


def retry_after(attempts: int) -> timedelta | None:
    """How long to wait after so many attempts that failed; None once it is given up."""
    if attempts >= ATTEMPTS:
        return None
    return min(timedelta(seconds=_FIRST_SECONDS * _FACTOR ** min(attempts - 1, 20)), _LONGEST)
