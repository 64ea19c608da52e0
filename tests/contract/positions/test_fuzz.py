"""Whatever a caller sends to whichever method, it is answered or refused by name: never with an internal error."""

from types import ModuleType
from typing import Any

import pytest
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from protos.positions.v1 import accounts_pb2, history_pb2, live_pb2, observation_pb2, positions_pb2
from services.common.errors import DomainError
from services.positions.access import ACCESS
from services.positions.domain.account import Account
from tests.contract.positions.conftest import Books, NewAccount
from tests.contract.positions.requests import fill_in, requests_of
from tests.contract.positions.test_rpc import Channel, channel, open_position

__all__ = ["channel"]

MODULES: tuple[ModuleType, ...] = (accounts_pb2, history_pb2, live_pb2, observation_pb2, positions_pb2)
METHODS: list[MethodDescriptor] = [
    method
    for module in MODULES
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
    if not method.server_streaming
]
USER, ACCOUNT, POSITION = "<user>", "<account>", "<position>"
"""Stand for what exists when the request is sent: what is drawn may not depend on what earlier requests did."""
PLAUSIBLE = {
    "user_id": [USER],
    "account_id": [ACCOUNT],
    "position_id": [POSITION],
    "symbol": ["BTCUSDT"],
    "period": ["7d", "all"],
    "price": ["66000"],
    "quantity": ["1"],
    "entry_price": ["65000"],
    "mark_price": ["66000"],
    "unrealized_pnl": ["0"],
    "notional": ["66000"],
    "final_quantity": ["0"],
    "fee": ["0.1"],
    "evidence": ["seen"],
    "decision_id": ["1"],
    "run_id": ["run"],
}


def caller_of(method: MethodDescriptor) -> str:
    """Somebody who may call it."""
    service = method.containing_service.full_name
    return sorted(ACCESS.get(f"{service}/{method.name}") or ACCESS[service])[0]


@pytest.mark.parametrize("method", METHODS, ids=lambda method: f"{method.containing_service.name}.{method.name}")
@given(data=st.data())
@settings(deadline=None, max_examples=25, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
async def test_no_request_is_an_internal_error(
    books: Books,
    account: Account,
    new_account: NewAccount,
    channel: Channel,
    method: MethodDescriptor,
    data: st.DataObject,
) -> None:
    request = data.draw(requests_of(method.input_type, PLAUSIBLE))
    owner, position_id = await _open_position(books, account, new_account)
    fill_in(request, {USER: owner.user_id, ACCOUNT: owner.account_id, POSITION: position_id})
    call: Any = channel(caller_of(method)).unary_unary(
        f"/{method.containing_service.full_name}/{method.name}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=message_factory.GetMessageClass(method.output_type).FromString,
    )
    refusal: DomainError | None = None
    try:
        await call(request)
    except DomainError as error:
        refusal = error
    assert refusal is None or refusal.reason not in ("DATABASE_UNAVAILABLE", "CALLER_REFUSED", "CALLER_UNKNOWN")


async def _open_position(books: Books, account: Account, new_account: NewAccount) -> tuple[Account, str]:
    """An account with a position that is open: new ones where earlier requests removed or closed them."""
    try:
        seen = await books.observation.observe(account.account_id)
    except DomainError:
        account = await new_account()
        return account, await open_position(books, account)
    found = [row.position.position_id for row in seen.booked]
    return account, found[0] if found else await open_position(books, account)
