"""What every test may ask for: one Postgres, one NATS and one whole stack a session, a database of its own a module."""

import secrets
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import structlog
from xdist.scheduler import LoadScopeScheduling

from deploy.local.certificates import CertificateFiles, issue_certificates
from deploy.local.database import SERVICES, prepare_database
from deploy.local.nats import NatsServer
from tests.collector import Collector, running_collector
from tests.logs import leaks_in
from tests.servers import reachable_directory, throwaway_nats, throwaway_postgres
from tests.stack import NO_LIMITS, RunningStack, lift_limits, running_stack

# How long an example takes says something of the machine, not of what is tested.
hypothesis.settings.register_profile("tandem", deadline=None)
hypothesis.settings.load_profile("tandem")

# Where something has brought rich, structlog would take seconds to draw one traceback.
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)


STACKED = ("tests/e2e/", "tests/web/", "tests/chaos/")
"""Tests of one whole stack, which stay in one process; elsewhere those of a module do."""


class Together(LoadScopeScheduling):  # type: ignore[misc]
    """Shares tests out among processes without parting those that share what is dear to make."""

    def _split_scope(self, nodeid: str) -> str:
        return next((folder for folder in STACKED if nodeid.startswith(folder)), nodeid.partition("::")[0])


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    return Together(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What waits most begins first, beside what computes."""
    items.sort(key=lambda item: not item.nodeid.startswith(STACKED))


@pytest.fixture(scope="session")
def session_dir() -> Iterator[Path]:
    """A directory for this session that the embedded Postgres may enter."""
    with reachable_directory() as directory:
        yield directory


@pytest.fixture(scope="session")
async def postgres_admin_url(session_dir: Path) -> AsyncIterator[str]:
    """The administrator's URL of the session's Postgres."""
    async with throwaway_postgres(session_dir) as url:
        yield url


@pytest.fixture(scope="session")
async def nats_server(session_dir: Path) -> AsyncIterator[NatsServer]:
    """The session's NATS: one user per service, each with its name for a password, and `admin`."""
    async with throwaway_nats(session_dir) as server:
        yield server


@pytest.fixture(scope="session")
def nats_url(nats_server: NatsServer) -> str:
    """Where the session's NATS listens, without a user."""
    return nats_server.url


@pytest.fixture(scope="session")
def certificates(session_dir: Path) -> dict[str, CertificateFiles]:
    """A certificate for each service and for the operator, from the session's own authority."""
    return issue_certificates(session_dir / "certificates", datetime.now(UTC))


@pytest.fixture(scope="session")
def database_passwords() -> dict[str, str]:
    """The passwords of the services' roles, the same in every database of the session's server."""
    return {service: secrets.token_hex(16) for service in SERVICES}


@pytest.fixture(scope="module")
async def service_databases(postgres_admin_url: str, database_passwords: dict[str, str]) -> dict[str, str]:
    """A database for this test module alone, with a role and an empty schema for each service; URL by service."""
    return await prepare_database(postgres_admin_url, database_passwords, name=f"test_{secrets.token_hex(6)}")


@pytest.fixture(scope="session")
async def collector() -> AsyncIterator[Collector]:
    """Where the session's stack sends its traces: only those that a test asked for by its own trace context."""
    async with running_collector() as running:
        yield running


@pytest.fixture(scope="session")
async def stack(session_dir: Path, collector: Collector) -> AsyncIterator[RunningStack]:
    """The session's whole stack. Tests share it: each uses a user and a symbol of its own, and none stops a process.

    They share its address as well, so the venues' limits on an address are lifted: tests of limits have their own.
    """
    traces = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
        "OTEL_TRACES_SAMPLER_ARG": "0",
        "OTEL_BSP_SCHEDULE_DELAY": "200",
    }
    async with running_stack(session_dir / "stack", {**NO_LIMITS, **traces}) as running:
        await lift_limits(running.sandbox)
        yield running
    # Of everything that all tests have had it do. The stack has ended, so what it said while it stopped is in it too.
    leaks = leaks_in(running.layout.log("").parent, running.layout.secrets_file, running.told)
    assert not leaks, "\n".join(leaks[:20])
