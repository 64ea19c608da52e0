"""Settings: where they come from, and what a bad one says."""

from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import Field, SecretStr, ValidationError

from services.common.config import ExchangeSettings, GrpcServerSettings, ServiceSettings, is_loopback, split_address

PASSWORD = "hunter2-do-not-show"


class ExampleSettings(ServiceSettings, GrpcServerSettings, ExchangeSettings):
    service: ClassVar[str] = "example"

    encryption_keys: SecretStr = Field(description='JSON {"active": …, "keys": …}')


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A whole and good environment."""
    for name in ("cert", "key", "ca"):
        file = tmp_path / f"{name}.pem"
        file.write_text("pem")
        monkeypatch.setenv(f"TLS_{name.upper()}_FILE", str(file))
    monkeypatch.setenv("DATABASE_URL", f"postgresql://example:{PASSWORD}@127.0.0.1:5432/tandem")
    monkeypatch.setenv("NATS_URL", "nats://127.0.0.1:4222")
    monkeypatch.setenv("ADMIN_LISTEN", "127.0.0.1:8081")
    monkeypatch.setenv("GRPC_LISTEN", "127.0.0.1:50051")
    monkeypatch.setenv("ENCRYPTION_KEYS", "{}")
    for name in ("SECRETS_DIR", "LOG_LEVEL", "EXCHANGE_MODE", "EXCHANGE_SANDBOX_URL", "NATS_USER", "NATS_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def refusal(capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as stop:
        ExampleSettings.load()
    assert stop.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err


def test_settings_come_from_the_environment(environment: pytest.MonkeyPatch) -> None:
    settings = ExampleSettings.load()
    assert settings.grpc_listen == "127.0.0.1:50051"
    assert settings.log_level == "INFO"
    assert settings.exchange_mode == "live"
    assert settings.exchange_sandbox_url is None


def test_a_secret_comes_from_its_file_unless_the_environment_has_it(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "nats_password").write_text("from the file\n")
    (secrets / "encryption_keys").write_text("from the file")
    environment.setenv("SECRETS_DIR", str(secrets))
    settings = ExampleSettings.load()
    assert settings.nats_password is not None
    assert settings.nats_password.get_secret_value() == "from the file"
    assert settings.encryption_keys.get_secret_value() == "{}"


def test_settings_cannot_be_changed(environment: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        ExampleSettings.load().log_level = "DEBUG"  # type: ignore[misc]


def test_secrets_have_no_repr(environment: pytest.MonkeyPatch) -> None:
    settings = ExampleSettings.load()
    assert PASSWORD not in repr(settings)
    assert PASSWORD not in str(settings.model_dump())


def test_a_missing_setting_is_named_with_what_is_expected(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.delenv("DATABASE_URL")
    line = refusal(capsys)
    assert line.startswith("example: DATABASE_URL is not set: expected postgresql://")


def test_all_bad_settings_are_in_the_one_line(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.delenv("ENCRYPTION_KEYS")
    environment.setenv("ADMIN_LISTEN", "nowhere")
    line = refusal(capsys)
    assert "ENCRYPTION_KEYS is not set" in line
    assert "ADMIN_LISTEN: expected host:port" in line
    assert "nowhere" not in line


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", f"mysql://example:{PASSWORD}@host/db"),
        ("DATABASE_URL", PASSWORD),
        ("DATABASE_URL", f"postgresql://example:[{PASSWORD}]@host/db"),
        ("DATABASE_URL", f"postgresql://example:{PASSWORD}\N{ACCOUNT OF}@host/db"),
        ("DATABASE_URL", f"postgresql://example:{PASSWORD}/rest@host/db"),
        ("NATS_URL", f"nats://user:{PASSWORD}@host:4222"),
        ("NATS_URL", f"nats://user:[{PASSWORD}]@host:4222"),
        ("NATS_URL", f"nats://host:{PASSWORD}"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://[{PASSWORD}]:4317"),
        ("NATS_URL", f"http://{PASSWORD}:4222"),
        ("GRPC_LISTEN", PASSWORD),
        ("GRPC_LISTEN", f"{PASSWORD}:99999"),
        ("LOG_LEVEL", PASSWORD),
        ("TLS_KEY_FILE", f"/{PASSWORD}"),
        ("DATABASE_POOL_SIZE", PASSWORD),
        ("DRAIN_TIMEOUT_SECONDS", "-1"),
        ("DRAIN_TIMEOUT_SECONDS", "inf"),
        ("EXCHANGE_MODE", PASSWORD),
        ("SECRETS_DIR", f"/{PASSWORD}"),
    ],
)
def test_a_bad_value_is_never_shown(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    environment.setenv(name, value)
    line = refusal(capsys)
    assert f"{name}" in line
    assert "expected" in line
    assert PASSWORD not in line


def test_an_empty_setting_is_one_that_is_not_set(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.setenv("NATS_PASSWORD", "")
    environment.setenv("EXCHANGE_SANDBOX_URL", "")
    settings = ExampleSettings.load()
    assert settings.nats_password is None
    assert settings.exchange_sandbox_url is None
    environment.setenv("DATABASE_URL", "")
    assert "DATABASE_URL is not set" in refusal(capsys)


@pytest.mark.parametrize(
    ("mode", "url", "refused"),
    [
        ("sandbox", "http://127.0.0.1:9000", False),
        ("sandbox", "http://localhost:9000/", False),
        ("sandbox", "http://[::1]:9000", False),
        ("sandbox", None, True),
        ("sandbox", "http://10.0.0.1:9000", True),
        ("sandbox", "http://127.0.0.1.example.com", True),
        ("sandbox", "http://127.0.0.1@example.com/", True),
        ("sandbox", "https://fapi.binance.com", True),
        ("live", "http://127.0.0.1:9000", True),
        (None, "http://127.0.0.1:9000", True),
    ],
)
def test_hosts_are_redirected_to_loopback_in_sandbox_mode_only(
    environment: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    mode: str | None,
    url: str | None,
    refused: bool,
) -> None:
    if mode is not None:
        environment.setenv("EXCHANGE_MODE", mode)
    if url is not None:
        environment.setenv("EXCHANGE_SANDBOX_URL", url)
    if refused:
        assert "EXCHANGE_SANDBOX_URL" in refusal(capsys)
    else:
        assert ExampleSettings.load().exchange_sandbox_url == str(url).rstrip("/")


@pytest.mark.parametrize(
    ("address", "parts"),
    [("127.0.0.1:0", ("127.0.0.1", 0)), ("[::1]:80", ("::1", 80)), ("host:65535", ("host", 65535))],
)
def test_addresses(address: str, parts: tuple[str, int]) -> None:
    assert split_address(address) == parts


@pytest.mark.parametrize("address", ["", "host", ":80", "::1:80", "host:", "host:-1", "host:65536", "host:x"])
def test_bad_addresses(address: str) -> None:
    with pytest.raises(ValueError, match="host:port"):
        split_address(address)


def test_loopback_is_told_by_the_literal_address() -> None:
    assert is_loopback("127.9.9.9")
    assert is_loopback("::1")
    assert not is_loopback("0.0.0.0")  # noqa: S104 - it is what is refused
    assert not is_loopback("127.0.0.1.nip.io")
