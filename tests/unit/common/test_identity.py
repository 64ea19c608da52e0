"""Identity by certificate name, and the access table."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import CallerRefused, CallerUnknown
from services.common.identity import Peer, authorize, current_peer, identify, set_current_peer

ACCESS = {
    "positions.v1.AccountsService": frozenset({"gateway", "monitor"}),
    "positions.v1.AccountsService/LeaseCredentials": frozenset({"monitor"}),
    "positions.v1.PositionsService/GetPosition": frozenset({"gateway"}),
}
GATEWAY, MONITOR = Peer("gateway"), Peer("monitor")


def names(*san: bytes) -> dict[str, list[bytes]]:
    return {"x509_subject_alternative_name": list(san)}


def test_the_uri_name_is_the_identity() -> None:
    assert identify(names(b"localhost", b"spiffe://tandem/monitor", b"monitor", b"127.0.0.1")) == MONITOR


@pytest.mark.parametrize(
    "context",
    [
        {},
        names(),
        names(b"monitor"),
        names(b"spiffe://other/monitor"),
        names(b"spiffe://tandem/"),
        names(b"spiffe://tandem/monitor/extra"),
        names(b"spiffe://tandem/monitor\n"),
        names(b"spiffe://tandem/Monitor"),
        names(b"spiffe://tandem/monit\xc3\xb6r"),
        names(b"spiffe://tandem/monitor", b"spiffe://tandem/gateway"),
        names(b"spiffe://tandem/monitor", b"spiffe://other/gateway"),
        {"x509_common_name": [b"spiffe://tandem/monitor"]},
    ],
)
def test_anything_else_is_nobody(context: dict[str, list[bytes]]) -> None:
    with pytest.raises(CallerUnknown):
        identify(context)


@pytest.mark.parametrize(
    ("method", "peer"),
    [
        ("/positions.v1.AccountsService/ListAccounts", GATEWAY),
        ("/positions.v1.AccountsService/LeaseCredentials", MONITOR),
        ("/positions.v1.PositionsService/GetPosition", GATEWAY),
        ("/grpc.health.v1.Health/Check", Peer("operator")),
        ("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", Peer("operator")),
    ],
)
def test_what_the_table_allows(method: str, peer: Peer) -> None:
    authorize(ACCESS, method, peer)


@pytest.mark.parametrize(
    ("method", "peer"),
    [
        ("/positions.v1.AccountsService/LeaseCredentials", GATEWAY),
        ("/positions.v1.PositionsService/GetPosition", MONITOR),
        ("/positions.v1.PositionsService/ListPositions", GATEWAY),
        ("/positions.v1.Other/Anything", GATEWAY),
        ("/grpc.health.v1.Healthy/Check", GATEWAY),
        ("", GATEWAY),
    ],
)
def test_what_it_does_not(method: str, peer: Peer) -> None:
    with pytest.raises(CallerRefused, match=peer.service):
        authorize(ACCESS, method, peer)


@given(st.text(), st.text())
def test_an_empty_table_refuses_everything_but_health_and_reflection(service: str, method: str) -> None:
    if not service.startswith("grpc."):
        with pytest.raises(CallerRefused):
            authorize({}, f"/{service}/{method}", GATEWAY)


async def test_the_current_peer_belongs_to_its_call() -> None:
    async def call(peer: Peer) -> Peer:
        set_current_peer(peer)
        await asyncio.sleep(0)
        return current_peer()

    assert await asyncio.gather(*(asyncio.create_task(call(peer)) for peer in (GATEWAY, MONITOR))) == [GATEWAY, MONITOR]
    with pytest.raises(LookupError):
        current_peer()
