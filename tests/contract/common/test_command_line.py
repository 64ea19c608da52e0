"""What a service's command line says, run as an operator runs it."""

import base64
import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module

import pytest

from deploy.local.certificates import CertificateFiles

SERVICES = ("positions", "reconciler", "monitor", "gateway")
KEYS = json.dumps({"active": "k1", "keys": {"k1": base64.b64encode(b"k" * 32).decode()}})


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it said."""

    code: int
    said: str
    complained: str


Run = Callable[[str, str, Mapping[str, str]], Done]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command with these settings and no others."""

    def command(service: str, name: str, settings: Mapping[str, str]) -> Done:
        for variable in list(os.environ):
            if variable not in ("PATH", "HOME"):
                monkeypatch.delenv(variable)
        for variable, value in settings.items():
            monkeypatch.setenv(variable, value)
        main = import_module(f"services.{service}.__main__").main
        monkeypatch.setattr(sys, "argv", ["__main__.py", name])
        try:
            main()
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        return Done(code, *capsys.readouterr())

    return command


def good(service: str, certificates: Mapping[str, CertificateFiles]) -> dict[str, str]:
    files = certificates[service]
    return {
        "DATABASE_URL": f"postgresql://tandem_{service}:pw@127.0.0.1:5432/tandem",
        "NATS_URL": "nats://127.0.0.1:4222",
        "ADMIN_LISTEN": "127.0.0.1:0",
        "GRPC_LISTEN": "127.0.0.1:0",
        "TLS_CERT_FILE": str(files.certificate),
        "TLS_KEY_FILE": str(files.key),
        "TLS_CA_FILE": str(files.authority),
        "POSITIONS_TARGET": "dns:///positions:50051",
        "RECONCILER_TARGET": "dns:///reconciler:50051",
        "MONITOR_TARGET": "dns:///monitor:50051",
        "ENCRYPTION_KEYS": KEYS,
        "JWT_SECRET": "s" * 32,
    }


@pytest.mark.parametrize("service", SERVICES)
def test_good_settings_are_told_to_be_good(run: Run, service: str, certificates: dict[str, CertificateFiles]) -> None:
    done = run(service, "check-config", good(service, certificates))
    assert (done.code, done.said, done.complained) == (0, f"{service}: the settings are good\n", "")


@pytest.mark.parametrize(
    ("service", "wrong", "told"),
    [
        ("positions", {"ENCRYPTION_KEYS": '{"active": "k2", "keys": {}}'}, "ENCRYPTION_KEYS"),
        ("gateway", {"JWT_SECRET": "short"}, "JWT_SECRET"),
        ("reconciler", {"NATS_URL": "nats://user:hidden@host:1"}, "NATS_URL"),
    ],
)
def test_a_bad_setting_is_named_and_never_shown(
    run: Run, service: str, wrong: dict[str, str], told: str, certificates: dict[str, CertificateFiles]
) -> None:
    done = run(service, "check-config", {**good(service, certificates), **wrong})
    assert done.code == 2
    assert told in done.complained
    assert len(done.complained.splitlines()) == 1
    assert "hidden" not in done.complained
    assert "short" not in done.complained


def test_a_key_that_is_not_the_certificates_is_found(run: Run, certificates: dict[str, CertificateFiles]) -> None:
    settings = {**good("monitor", certificates), "TLS_KEY_FILE": str(certificates["gateway"].key)}
    done = run("monitor", "check-config", settings)
    assert done.code == 2
    assert "the key is not the certificate's" in done.complained


@pytest.mark.parametrize("service", SERVICES)
def test_a_migration_that_cannot_be_done_is_one_line(
    run: Run, service: str, certificates: dict[str, CertificateFiles]
) -> None:
    nowhere = {"DATABASE_URL": f"postgresql://tandem_{service}:hidden@127.0.0.1:1/tandem"}
    done = run(service, "migrate", {**good(service, certificates), **nowhere})
    assert (done.code, done.complained) == (1, f"{service}: The database cannot be reached.\n")
    assert "hidden" not in done.said


def test_help_needs_no_settings(run: Run) -> None:
    done = run("positions", "--help", {})
    assert done.code == 0
    assert all(command in done.said for command in ("serve", "migrate", "check-config", "rotate-keys"))
