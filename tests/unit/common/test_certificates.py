"""When certificates run out is shown of those that are in use, and again once they were renewed."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from deploy.local.certificates import AUTHORITY_LIFETIME, LIFETIME, issue_certificates
from services.common.certificates import CertificateFiles, show_expiry
from services.common.errors import StartupError
from tests.contract.common.settings import RpcSettings

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Watched:
    """A service's files in a directory, and what is shown of them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.registry = CollectorRegistry()
        self.renew(NOW)
        show_expiry(CertificateFiles(self.settings()), self.registry)

    def renew(self, now: datetime) -> None:
        self.files = issue_certificates(self.directory, now, ("monitor",))["monitor"]

    def settings(self) -> RpcSettings:
        return RpcSettings.of(self.files)

    def shown(self, certificate: str) -> datetime:
        name = "tandem_certificate_expiry_timestamp_seconds"
        value = self.registry.get_sample_value(name, {"certificate": certificate})
        assert value is not None
        return datetime.fromtimestamp(value, UTC)


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path / "one")


def test_the_certificate_and_the_authority_are_told_apart(watched: Watched) -> None:
    assert watched.shown("own") == NOW + LIFETIME
    assert watched.shown("authority") == NOW + AUTHORITY_LIFETIME


def test_a_renewal_is_seen_by_itself(watched: Watched) -> None:
    later = NOW + LIFETIME * 0.6
    watched.renew(later)
    assert watched.shown("own") == later + LIFETIME
    assert watched.shown("authority") == NOW + AUTHORITY_LIFETIME


def test_a_certificate_that_is_not_used_is_not_what_is_shown(watched: Watched) -> None:
    key = watched.files.key.read_bytes()
    watched.renew(NOW + LIFETIME * 0.6)
    watched.files.key.write_bytes(key)  # half a renewal: what was before stays in use
    assert watched.shown("own") == NOW + LIFETIME


def test_of_several_the_first_to_run_out_is_shown(watched: Watched, tmp_path: Path) -> None:
    older = issue_certificates(tmp_path / "other", NOW - timedelta(days=30), ("monitor",))["monitor"]
    watched.files.authority.write_bytes(watched.files.authority.read_bytes() + older.authority.read_bytes())
    assert watched.shown("authority") == NOW - timedelta(days=30) + AUTHORITY_LIFETIME
    watched.files.certificate.write_bytes(watched.files.certificate.read_bytes() + older.certificate.read_bytes())
    assert watched.shown("own") == NOW - timedelta(days=30) + LIFETIME


def test_files_without_a_certificate_are_refused_at_the_start(watched: Watched) -> None:
    watched.files.authority.write_text("nothing")
    with pytest.raises(StartupError, match=r"ca\.pem"):
        CertificateFiles(watched.settings())
