"""Key rotation: every kept credential is wrapped anew under the active key.

Idempotent and restartable: what is under the active key already is left alone, and each batch is a transaction of its
own. It needs no service to stop: the retired key stays in ENCRYPTION_KEYS until this has run through.
"""

from dataclasses import dataclass

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from services.common.database import transaction
from services.positions.custody import Custodian, SealBroken
from services.positions.store import accounts

_log = structlog.get_logger(__name__)

BATCH = 100


@dataclass(frozen=True, slots=True)
class Rotation:
    """How many credentials were wrapped anew, were under the active key already, and could not be opened."""

    rewrapped: int
    untouched: int
    broken: int


async def rotate_keys(engine: AsyncEngine, custodian: Custodian, batch: int = BATCH) -> Rotation:
    """Wrap every credential under the active key. One that does not open is left as it is, and named in the log."""
    rewrapped = untouched = broken = 0
    after = ""
    while True:
        async with transaction(engine) as connection:
            kept = await accounts.list_sealed(connection, after, batch)
            for account_id, sealed in kept:
                try:
                    resealed = custodian.rewrap(account_id, sealed)
                except SealBroken:
                    _log.error("credential does not open", account_id=account_id)
                    broken += 1
                    continue
                if resealed is None:
                    untouched += 1
                    continue
                await accounts.reseal(connection, account_id, resealed)
                rewrapped += 1
        if len(kept) < batch:
            return Rotation(rewrapped, untouched, broken)
        after = kept[-1][0]
