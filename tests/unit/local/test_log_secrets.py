"""The search for secrets in logs finds those that are there."""

import json
from pathlib import Path

import pytest

from tests.logs import leaks_in

PASSWORD = "a-password-of-postgres"
HEADER = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"
CLAIMS = "eyJzdWIiOiJzb21lYm9keSJ9"


@pytest.fixture
def secrets_file(tmp_path: Path) -> Path:
    path = tmp_path / "secrets.json"
    path.write_text(json.dumps({"database_passwords": {"monitor": PASSWORD}, "active": "k1"}))
    return path


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (f"cannot log in with {PASSWORD}", "a secret that the test knows"),
        ("the key's secret is an-api-secret", "a secret that the test knows"),
        (f"refused {HEADER}.{CLAIMS}.c2lnbmF0dXJlc2lnbmF0dXJl", "a token"),
        (f"GET /fapi/v1/order?symbol=X&signature={'0a' * 32}", "a signature"),
        (f'{{"X-BAPI-SIGN": "{"0a" * 32}"}}', "a signature"),
        ("nats://monitor:hunter22@127.0.0.1:4222", "a password"),
    ],
)
def test_a_secret_is_found_and_not_repeated(tmp_path: Path, secrets_file: Path, line: str, kind: str) -> None:
    (tmp_path / "monitor.log").write_text(f"all is well\n{line}\n")
    (tmp_path / "monitor.log.1").write_text("all was well\n")
    assert leaks_in(tmp_path, secrets_file, ["an-api-secret"]) == [f"monitor.log:2 holds {kind}"]


def test_what_is_no_secret_is_left_alone(tmp_path: Path, secrets_file: Path) -> None:
    (tmp_path / "gateway.log").write_text(
        '{"event": "k1", "url": "nats://[redacted]@127.0.0.1", "signature": "[redacted]"}\n'
    )
    assert leaks_in(tmp_path, secrets_file, []) == []
