"""Server and channel over real mutual TLS: identity, access, errors, deadlines, streams, renewal, measurement."""

import asyncio
import importlib
import re
import shutil
import socket
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client import CollectorRegistry

from deploy.local.certificates import CertificateFiles, issue_certificates
from services.common import channels
from services.common import server as server_module
from services.common.channels import ServiceChannel, open_channel
from services.common.errors import (
    CallerRefused,
    CallerUnknown,
    PositionNotFound,
    ServiceUnavailable,
    StartupError,
)
from services.common.status import RemoteFailure
from services.common.telemetry import Instruments
from tests.contract.common.conftest import Serving, serving, until
from tests.contract.common.echo import SERVICE, EchoStub
from tests.contract.common.settings import RpcSettings

Channels = Callable[[str], ServiceChannel]


def text(value: str) -> StringValue:
    return StringValue(value=value)


async def texts(*values: str) -> AsyncIterator[StringValue]:
    for value in values:
        yield text(value)


def channel_to(port: int, files: CertificateFiles, authority: str = "positions", **settings: object) -> ServiceChannel:
    instruments = Instruments(CollectorRegistry())
    return open_channel(RpcSettings.of(files, **settings), f"ipv4:127.0.0.1:{port}", authority, instruments)


async def test_the_caller_is_known_by_its_certificate(channel_of: Channels) -> None:
    for identity in ("gateway", "monitor"):
        assert (await EchoStub(channel_of(identity)).Say(text("caller"))).value == identity


async def test_a_caller_that_the_table_does_not_name_is_refused(channel_of: Channels) -> None:
    with pytest.raises(CallerRefused, match="reconciler service may not call"):
        await EchoStub(channel_of("reconciler")).Say(text("x"))


async def test_the_narrower_entry_of_the_table_decides(channel_of: Channels) -> None:
    assert (await EchoStub(channel_of("monitor")).Sum(texts("a", "b"))).value == "ab"
    with pytest.raises(CallerRefused):
        await EchoStub(channel_of("gateway")).Sum(texts("a", "b"))


async def test_streams_are_guarded_too(channel_of: Channels) -> None:
    stub = EchoStub(channel_of("reconciler"))
    with pytest.raises(CallerRefused):
        async for _ in stub.Count(text("x")):
            pass
    with pytest.raises(CallerRefused):
        async for _ in stub.Chat(texts("x")):
            pass


async def test_a_certificate_of_our_authority_that_names_no_service_is_refused(
    server: Serving, session_dir: Path
) -> None:
    files = issue_certificates(session_dir / "certificates", datetime.now(UTC), ("9odd",))["9odd"]
    channel = channel_to(server.port, files)
    with pytest.raises(CallerUnknown):
        await EchoStub(channel).Say(text("x"))
    await channel.close()


async def test_a_certificate_of_another_authority_is_not_accepted(server: Serving, tmp_path: Path) -> None:
    foreign = issue_certificates(tmp_path, datetime.now(UTC), ("gateway",))["gateway"]
    channel = channel_to(server.port, foreign)
    with pytest.raises(ServiceUnavailable):
        await EchoStub(channel).Say(text("x"))
    await channel.close()


async def test_a_server_of_another_authority_or_name_is_not_trusted(
    server: Serving, certificates: dict[str, CertificateFiles]
) -> None:
    channel = channel_to(server.port, certificates["gateway"], authority="monitor")
    with pytest.raises(ServiceUnavailable, match="monitor"):
        await EchoStub(channel).Say(text("x"))
    await channel.close()


async def test_a_client_without_a_certificate_is_not_accepted(
    server: Serving, certificates: dict[str, CertificateFiles]
) -> None:
    credentials = grpc.ssl_channel_credentials(certificates["gateway"].authority.read_bytes())
    options = (("grpc.default_authority", "positions"),)
    async with grpc.aio.secure_channel(f"ipv4:127.0.0.1:{server.port}", credentials, options) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await EchoStub(channel).Say(text("x"), timeout=5)
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_typed_error_crosses_the_wire(gateway: EchoStub) -> None:
    with pytest.raises(PositionNotFound) as raised:
        await gateway.Say(text("absent"))
    assert raised.value.metadata == {"position_id": "OP_1_1", "price": "1.50"}
    assert str(raised.value) == "Position OP_1_1 does not exist."


async def test_a_typed_error_ends_a_stream(gateway: EchoStub) -> None:
    seen = []
    with pytest.raises(PositionNotFound):
        async for item in gateway.Count(text("absent")):
            seen += [item.value]
    assert seen == ["0", "1", "2"]


async def test_an_unexpected_failure_leaks_nothing(server: Serving, certificates: dict[str, CertificateFiles]) -> None:
    files = certificates["gateway"]
    credentials = grpc.ssl_channel_credentials(
        files.authority.read_bytes(), files.key.read_bytes(), files.certificate.read_bytes()
    )
    options = (("grpc.default_authority", "positions"),)
    async with grpc.aio.secure_channel(f"ipv4:127.0.0.1:{server.port}", credentials, options) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await EchoStub(channel).Say(text("broken"), metadata=(("x-request-id", "r-1"),), timeout=5)
    assert raised.value.code() is grpc.StatusCode.INTERNAL
    assert raised.value.details() == "internal error"
    assert ("x-request-id", "r-1") in tuple(raised.value.trailing_metadata())
    assert "hunter2" not in repr(raised.value)


async def test_an_unexpected_failure_is_not_a_domain_error(gateway: EchoStub) -> None:
    with pytest.raises(RemoteFailure):
        await gateway.Say(text("broken"))
    with pytest.raises(RemoteFailure):
        async for _ in gateway.Count(text("broken")):
            pass


async def test_a_servicer_may_abort_by_hand_and_an_unknown_method_is_a_failure(gateway: EchoStub) -> None:
    with pytest.raises(RemoteFailure) as raised:
        await gateway.Say(text("abort"))
    assert raised.value.code is grpc.StatusCode.OUT_OF_RANGE
    with pytest.raises(RemoteFailure) as raised:
        await gateway.Absent(text("x"))
    assert raised.value.code is grpc.StatusCode.UNIMPLEMENTED


async def test_every_call_has_a_deadline(server: Serving, certificates: dict[str, CertificateFiles]) -> None:
    channel = channel_to(server.port, certificates["gateway"], rpc_timeout_seconds=1)
    with pytest.raises(ServiceUnavailable, match="positions"):
        await EchoStub(channel).Say(text("hang"))
    await asyncio.wait_for(server.echo.cancelled.wait(), 5)
    await channel.close()


async def test_a_cancelled_call_is_cancelled_at_the_server(server: Serving, gateway: EchoStub) -> None:
    call = asyncio.create_task(gateway.Say(text("hang")))
    await asyncio.wait_for(server.echo.hanging.wait(), 5)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await asyncio.wait_for(server.echo.cancelled.wait(), 5)


async def test_leaving_a_stream_cancels_it_at_the_server(server: Serving, gateway: EchoStub) -> None:
    responses = gateway.Count(text("hang"))
    assert (await anext(responses)).value == "0"
    await responses.aclose()
    await asyncio.wait_for(server.echo.cancelled.wait(), 5)


async def test_all_four_kinds_of_method_work(channel_of: Channels) -> None:
    stub = EchoStub(channel_of("monitor"))
    assert (await stub.Say(text("x"))).value == "x"
    assert [item.value async for item in stub.Count(text("x"))] == ["0", "1", "2"]
    assert (await stub.Sum(texts("x", "y"))).value == "xy"
    assert [item.value async for item in stub.Chat(texts("x", "y"))] == ["x", "y"]


async def test_a_service_that_is_not_there_is_unavailable_and_found_once_it_is(
    certificates: dict[str, CertificateFiles],
) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    channel = channel_to(port, certificates["gateway"])
    stub = EchoStub(channel)
    with pytest.raises(ServiceUnavailable):
        await stub.Say(text("x"))
    async with serving(certificates["positions"], grpc_listen=f"127.0.0.1:{port}"):

        async def answers() -> bool:
            try:
                return bool((await stub.Say(text("x"))).value == "x")
            except ServiceUnavailable:
                return False

        await until(answers)
    await channel.close()


async def test_a_taken_port_is_one_clear_line(server: Serving, certificates: dict[str, CertificateFiles]) -> None:
    with pytest.raises(StartupError, match=rf"GRPC_LISTEN 127.0.0.1:{server.port}"):
        async with serving(certificates["positions"], grpc_listen=f"127.0.0.1:{server.port}"):
            pass


async def test_missing_certificates_are_one_clear_line(tmp_path: Path) -> None:
    absent = CertificateFiles(tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "ca.pem")
    with pytest.raises(StartupError, match=r"cert\.pem"):
        channel_to(1, absent)


async def test_health_follows_the_registry_and_answers_any_identity(server: Serving, channel_of: Channels) -> None:
    stub: Any = health_pb2_grpc.HealthStub(channel_of("operator"))
    ask = health_pb2.HealthCheckRequest(service=SERVICE)
    assert (await stub.Check(ask)).status == health_pb2.HealthCheckResponse.SERVING
    with pytest.raises(RemoteFailure):
        await stub.Check(health_pb2.HealthCheckRequest(service="nobody.v1.Declared"))
    watch = stub.Watch(ask)
    assert (await anext(watch)).status == health_pb2.HealthCheckResponse.SERVING
    server.health.drain()
    assert (await anext(watch)).status == health_pb2.HealthCheckResponse.NOT_SERVING
    assert (await stub.Check(health_pb2.HealthCheckRequest())).status == health_pb2.HealthCheckResponse.NOT_SERVING
    await watch.aclose()


async def test_calls_are_counted_once_by_method_caller_and_code(server: Serving, gateway: EchoStub) -> None:
    await gateway.Say(text("x"))
    with pytest.raises(PositionNotFound):
        await gateway.Say(text("absent"))
    with pytest.raises(RemoteFailure):
        await gateway.Say(text("broken"))
    with pytest.raises(RemoteFailure):
        await gateway.Say(text("abort"))

    def counted(code: str) -> float | None:
        labels = {"method": f"/{SERVICE}/Say", "caller": "gateway", "code": code}
        return server.instruments.registry.get_sample_value("tandem_rpc_server_calls_total", labels)

    await until(lambda: counted("OUT_OF_RANGE") == 1)
    assert [counted(code) for code in ("OK", "NOT_FOUND", "INTERNAL")] == [1, 1, 1]
    assert server.instruments.registry.get_sample_value("tandem_rpc_server_in_flight") == 0


async def test_draining_lets_calls_under_way_finish(server: Serving, gateway: EchoStub) -> None:
    call = asyncio.create_task(gateway.Say(text("hang")))
    await asyncio.wait_for(server.echo.hanging.wait(), 5)
    drain = asyncio.create_task(server.server.drain(0.2))
    with pytest.raises(ServiceUnavailable):
        await call
    await drain


async def test_renewed_certificates_are_used_by_server_and_channel_without_a_restart(
    session_dir: Path, certificates: dict[str, CertificateFiles], tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    first, second = (issue_certificates(tmp_path / name, now, ("positions", "gateway")) for name in ("one", "two"))

    def copy(source: CertificateFiles, name: str) -> CertificateFiles:
        parts = [tmp_path / f"{name}.{part}" for part in ("pem", "key", "ca")]
        for origin, target in zip((source.certificate, source.key, source.authority), parts, strict=True):
            fresh = target.with_suffix(".new")
            shutil.copy(origin, fresh)
            fresh.replace(target)
        return CertificateFiles(*parts)

    mine, theirs = copy(first["positions"], "positions"), copy(first["gateway"], "gateway")
    async with serving(mine) as running:
        channel = channel_to(running.port, theirs)
        stub = EchoStub(channel)
        assert (await stub.Say(text("caller"))).value == "gateway"
        copy(second["positions"], "positions")
        copy(second["gateway"], "gateway")
        # The new channel trusts the second authority alone, so the answer shows that both ends have changed.
        assert (await stub.Say(text("caller"))).value == "gateway"
        old = channel_to(running.port, first["gateway"])
        with pytest.raises(ServiceUnavailable):
            await EchoStub(old).Say(text("x"))
        await old.close()
        # Half a renewal: a key that is not the certificate's is not used.
        shutil.copy(first["gateway"].key, theirs.key)
        assert (await stub.Say(text("caller"))).value == "gateway"
        await channel.close()


async def test_connections_are_of_bounded_age_and_no_call_notices(certificates: dict[str, CertificateFiles]) -> None:
    async with serving(certificates["positions"], grpc_max_connection_age_seconds=1) as running:
        channel = channel_to(running.port, certificates["gateway"])
        stub = EchoStub(channel)
        connections: set[str] = set()

        async def another() -> bool:
            connections.add((await stub.Say(text("connection"))).value)
            return len(connections) > 1

        await until(another)
        await channel.close()


def test_grpc_knows_the_options_that_it_is_given() -> None:
    """gRPC passes over an option that it does not know without a word."""
    binary = Path(str(importlib.import_module("grpc._cython.cygrpc").__file__)).read_bytes()
    for module in (channels, server_module):
        names = re.findall(r'"(grpc\.[a-z0-9_.]+)"', Path(str(module.__file__)).read_text())
        assert names
        assert [name for name in names if name.encode() + b"\0" not in binary] == []


async def test_calls_are_shared_over_replicas(certificates: dict[str, CertificateFiles]) -> None:
    async with serving(certificates["positions"]) as one, serving(certificates["positions"]) as other:
        settings = RpcSettings.of(certificates["gateway"])
        target = f"ipv4:127.0.0.1:{one.port},127.0.0.1:{other.port}"
        channel = open_channel(settings, target, "positions", Instruments(CollectorRegistry()))
        stub = EchoStub(channel)

        def calls(running: Serving) -> float:
            labels = {"method": f"/{SERVICE}/Say", "caller": "gateway", "code": "OK"}
            return running.instruments.registry.get_sample_value("tandem_rpc_server_calls_total", labels) or 0

        async def both() -> bool:
            await stub.Say(text("x"))
            return calls(one) > 2 and calls(other) > 2

        await until(both)
        await channel.close()
