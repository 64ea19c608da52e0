"""The local authority gives each service an identity and renews it in time."""

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store

from deploy.local.certificates import LIFETIME, issue_certificates

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_certificate_names_its_service(tmp_path: Path) -> None:
    files = issue_certificates(tmp_path, NOW)["positions"]
    certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == ["spiffe://tandem/positions"]
    assert names.get_values_for_type(x509.DNSName) == ["positions", "localhost"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]


def test_a_certificate_is_accepted_by_whoever_trusts_the_authority(tmp_path: Path) -> None:
    files = issue_certificates(tmp_path, NOW)["monitor"]
    authority = x509.load_pem_x509_certificate(files.authority.read_bytes())
    certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    verifier = PolicyBuilder().store(Store([authority])).time(NOW).build_server_verifier(x509.DNSName("monitor"))
    assert verifier.verify(certificate, [])[-1] == authority


def test_keys_are_their_owners_alone(tmp_path: Path) -> None:
    issue_certificates(tmp_path, NOW)
    assert {stat.S_IMODE(key.stat().st_mode) for key in tmp_path.glob("*.key")} == {0o600}


def test_a_certificate_is_kept_while_it_is_young_and_renewed_when_it_is_not(tmp_path: Path) -> None:
    files = issue_certificates(tmp_path, NOW)["gateway"]
    first, authority = files.certificate.read_bytes(), files.authority.read_bytes()
    issue_certificates(tmp_path, NOW + timedelta(hours=1))
    assert files.certificate.read_bytes() == first
    issue_certificates(tmp_path, NOW + LIFETIME * 0.6)
    assert files.certificate.read_bytes() != first
    assert files.authority.read_bytes() == authority


def test_a_lost_key_makes_a_new_certificate(tmp_path: Path) -> None:
    files = issue_certificates(tmp_path, NOW)["gateway"]
    first = files.certificate.read_bytes()
    files.key.unlink()
    issue_certificates(tmp_path, NOW)
    assert files.certificate.read_bytes() != first
