"""What the reconciler makes of account_changed."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from protos.positions.v1 import events_pb2 as positions_events
from protos.positions.v1 import types_pb2 as types
from services.common.bus import Received, subject
from services.reconciler.domain.errors import AccountNotScheduled
from services.reconciler.events import AccountEvents
from tests.contract.reconciler.conftest import LEASE, Replica
from tests.factories import at


def changed(*, verified: bool, exchange: types.Exchange.ValueType = types.EXCHANGE_BYBIT) -> Received:
    event = positions_events.AccountChanged(
        event_id=str(uuid4()), user_id="demo", account_id="account-9", exchange=exchange, verified=verified, version=2
    )
    return Received(
        subject=subject("positions", "account_changed", "demo"),
        payload=event.SerializeToString(),
        message_id=event.event_id,
        sequence=1,
        time=datetime.now(UTC),
        deliveries=1,
    )


async def test_a_verified_account_is_due_and_an_unverified_one_is_not(replica: Replica) -> None:
    handle = AccountEvents(replica.schedule)
    await handle(changed(verified=True))
    await handle(changed(verified=True))
    [claim] = await replica.reconciliation.claim_prompted(5)
    assert (claim.account.account_id, claim.account.user_id, claim.account.exchange) == ("account-9", "demo", "bybit")
    await handle(changed(verified=False))
    with pytest.raises(AccountNotScheduled):
        await replica.accounts.claim_account("account-9", "me", at(0), LEASE)


async def test_an_event_that_cannot_be_read_is_refused(replica: Replica) -> None:
    with pytest.raises(ValueError, match="none of binance, bybit"):
        await AccountEvents(replica.schedule)(changed(verified=True, exchange=types.EXCHANGE_UNSPECIFIED))
