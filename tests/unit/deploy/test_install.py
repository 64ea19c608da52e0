"""The files and Secrets of an installation: made once, each process its own."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from cryptography import x509

from deploy.install.__main__ import main
from deploy.install.files import keep_secrets, write_files
from deploy.local.certificates import LIFETIME
from deploy.local.processes import SERVICES
from tests.unit.deploy.manifests import ROOT

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def secret_files(directory: Path, service: str) -> dict[str, str]:
    return {file.name: file.read_text() for file in (directory / "secrets" / service).iterdir()}


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_a_service_is_given_what_it_reads_and_nothing_else(service, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    write_files(tmp_path, keep_secrets(tmp_path), "db:5432", NOW)
    given = secret_files(tmp_path, service.name)
    assert set(given) == {"database_url", "nats_password", *service.secrets}
    assert given["database_url"].startswith(f"postgresql://tandem_{service.name}:")
    assert given["database_url"].endswith("@db:5432/tandem")
    assert {file.name for file in (tmp_path / "tls" / service.name).iterdir()} == {"tls.crt", "tls.key", "ca.crt"}


def test_what_exists_is_kept(tmp_path: Path) -> None:
    write_files(tmp_path, keep_secrets(tmp_path), "db:5432", NOW)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    write_files(tmp_path, keep_secrets(tmp_path), "db:5432", NOW)
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before


def test_secrets_can_be_read_by_their_owner_only(tmp_path: Path) -> None:
    write_files(tmp_path, keep_secrets(tmp_path), "db:5432", NOW)
    public = {file.name for file in tmp_path.rglob("*") if file.is_file() and file.stat().st_mode & 0o077}
    assert all(name.endswith((".pem", ".crt")) for name in public)


def test_only_a_sandbox_lets_anybody_be_the_demo_user(tmp_path: Path) -> None:
    secrets = keep_secrets(tmp_path)
    write_files(tmp_path, secrets, "db:5432", NOW, demo=True)
    assert "gateway_demo_token" in secret_files(tmp_path, "gateway")
    write_files(tmp_path, secrets, "db:5432", NOW)
    assert "gateway_demo_token" not in secret_files(tmp_path, "gateway")


def test_nats_gives_each_service_its_own_subjects(tmp_path: Path) -> None:
    write_files(tmp_path, keep_secrets(tmp_path), "db:5432", NOW)
    users = {user["user"]: user for user in json.loads((tmp_path / "nats.conf").read_text())["authorization"]["users"]}
    for service in SERVICES:
        allowed = users[service.name]["permissions"]["publish"]["allow"]
        own = {f"{service.name}.v1.>", f"{service.name}.ephemeral.>"}
        assert {subject for subject in allowed if not subject.startswith("$JS")} == own
        assert users[service.name]["password"] == secret_files(tmp_path, service.name)["nats_password"]


def test_kubernetes_secrets_hold_what_the_files_hold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kubernetes-secrets", "--directory", str(tmp_path), "--namespace", "books", "--database", "db:1"]) == 0
    manifest = json.loads(capsys.readouterr().out)
    write_files(tmp_path, keep_secrets(tmp_path), "db:1", NOW)
    held = {item["metadata"]["name"]: item["stringData"] for item in manifest["items"]}
    assert {item["metadata"]["namespace"] for item in manifest["items"]} == {"books"}
    for service in SERVICES:
        assert held[f"{service.name}-secrets"] == secret_files(tmp_path, service.name)


def test_certificates_are_renewed_long_before_their_end_without_anybody_asking(tmp_path: Path) -> None:
    compose = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())["services"]
    (command,) = compose["renewal"]["command"]
    assert " ".join(compose["install"]["command"]) in command
    every = timedelta(seconds=int(re.findall(r"sleep (\d+)", command)[0]))
    assert every <= LIFETIME / 4
    now, ends = NOW, []
    for _ in range(8):
        write_files(tmp_path, keep_secrets(tmp_path), "db:5432", now)
        pem = (tmp_path / "tls" / "monitor" / "tls.crt").read_bytes()
        ends.append(x509.load_pem_x509_certificate(pem).not_valid_after_utc - now)
        now += every
    assert min(ends) > LIFETIME / 2
    assert len({end + every * day for day, end in enumerate(ends)}) > 1
