"""Settings: the environment first, else a file of the setting's lower-case name in $SECRETS_DIR.

Invariants: only a service's config module reads the environment; a secret is a SecretStr; a bad setting ends the
process with exit code 2 and one line that names settings and what is expected of them, and never shows a value.
"""

import ipaddress
import os
import sys
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt, SecretStr, ValidationError, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

BAD_SETTINGS = 2


def split_address(address: str) -> tuple[str, int]:
    """Host and port of "host:port" or "[v6]:port"; ValueError where it is neither."""
    host, colon, port = address.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    if not colon or not bare or (":" in bare and bare == host) or not port.isdecimal() or int(port) > 65535:
        raise ValueError("expected host:port")
    return bare, int(port)


def split_url(url: str, expected: str) -> SplitResult:
    """The parts of an address, its port a number. ValueError saying what is expected: urllib's would show it."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError(expected) from None
    return parts


def _address(value: str) -> str:
    split_address(value)
    return value


def _database_url(value: SecretStr) -> SecretStr:
    expected = "expected postgresql://role:password@host:port/database, what is special in the password as %XX"
    parts = split_url(value.get_secret_value(), expected)
    if parts.scheme not in ("postgresql", "postgres") or not parts.hostname or len(parts.path) < 2:
        raise ValueError(expected)
    return value


def _nats_url(value: str) -> str:
    expected = "expected nats://host:port, without credentials (NATS_USER and NATS_PASSWORD hold them)"
    for url in value.split(","):
        parts = split_url(url, expected)
        if parts.scheme not in ("nats", "tls") or not parts.hostname or "@" in parts.netloc:
            raise ValueError(expected)
    return value


def _collector_url(value: str) -> str:
    expected = "expected http://host:port or https://host:port"
    parts = split_url(value, expected)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise ValueError(expected)
    return value


def _readable(value: Path) -> Path:
    if not value.is_file():
        raise ValueError("expected a file that exists")
    return value


Address = Annotated[str, AfterValidator(_address)]
DatabaseUrl = Annotated[SecretStr, AfterValidator(_database_url)]
NatsUrl = Annotated[str, AfterValidator(_nats_url)]
CollectorUrl = Annotated[str, AfterValidator(_collector_url)]
File = Annotated[Path, AfterValidator(_readable)]
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]


class Settings(BaseSettings):
    """The base of all below: of several bases pydantic takes the last one's configuration, so they must agree."""

    model_config = SettingsConfigDict(
        extra="ignore", frozen=True, hide_input_in_errors=True, env_ignore_empty=True, allow_inf_nan=False
    )


class ServiceSettings(Settings):
    """What every service process is told. A service subclasses it, sets `service` and adds fields of its own."""

    service: ClassVar[str]
    """The service's name: its schema, its NATS user, its DNS name and its certificate's identity."""

    database_url: DatabaseUrl = Field(description="postgresql://role:password@host:port/database")
    database_pool_size: PositiveInt = Field(10, description="connections, a whole number above 0")
    database_statement_timeout_seconds: PositiveFloat = Field(10, description="seconds, above 0")
    nats_url: NatsUrl = Field(description="nats://host:port")
    nats_user: str | None = Field(None, description="a NATS user name")
    nats_password: SecretStr | None = Field(None, description="that user's password")
    admin_listen: Address = Field(description="host:port of the plain HTTP admin server")
    tls_cert_file: File = Field(description="the PEM file of this service's certificate")
    tls_key_file: File = Field(description="the PEM file of its private key")
    tls_ca_file: File = Field(description="the PEM file of the certificate authority of all services")
    rpc_timeout_seconds: PositiveFloat = Field(10, description="seconds, above 0: default deadline of a call")
    drain_timeout_seconds: PositiveFloat = Field(15, description="seconds, above 0: the most that a shutdown may take")
    log_level: LogLevel = Field("INFO", description="DEBUG, INFO, WARNING, ERROR or CRITICAL")
    otel_exporter_otlp_endpoint: CollectorUrl | None = Field(
        None, description="http://host:port or https://host:port of an OTLP collector (gRPC) for traces"
    )
    otel_traces_sampler_arg: float = Field(
        1, ge=0, le=1, description="from 0 to 1: which part of the traces that begin here is kept"
    )

    @classmethod
    def load(cls) -> Self:
        """Settings from the environment and $SECRETS_DIR; on a bad one: one line on stderr and exit code 2."""
        try:
            return cls.read()
        except (ValidationError, SettingsError) as error:
            sys.stderr.write(f"{cls.service}: {explain(cls, error)}\n")
            raise SystemExit(BAD_SETTINGS) from None

    @classmethod
    def read(cls) -> Self:
        """As `load`, but raises pydantic's ValidationError or pydantic-settings' SettingsError."""
        directory = os.environ.get("SECRETS_DIR")
        if directory and not Path(directory).is_dir():
            raise SettingsError('error parsing value for field "secrets_dir": expected a directory that exists')
        return cls(_secrets_dir=directory or None)


class GrpcServerSettings(Settings):
    """Of services that serve gRPC."""

    grpc_listen: Address = Field(description="host:port of the gRPC server")
    grpc_max_connection_age_seconds: PositiveInt = Field(300, description="seconds, a whole number above 0")


class PositionsClientSettings(Settings):
    """Of services that call positions."""

    positions_target: str = Field(min_length=1, description="a gRPC target, such as dns:///positions:50051")


class ReconcilerClientSettings(Settings):
    """Of services that call the reconciler."""

    reconciler_target: str = Field(min_length=1, description="a gRPC target, such as dns:///reconciler:50051")


class MonitorClientSettings(Settings):
    """Of services that call the monitor."""

    monitor_target: str = Field(min_length=1, description="a gRPC target, such as dns:///monitor:50051")


class ExchangeSettings(Settings):
    """Of services that use the exchange door. Hosts are redirected in sandbox mode only, to loopback only."""

    exchange_mode: Literal["live", "sandbox"] = Field("live", description="live or sandbox")
    exchange_sandbox_url: str | None = Field(
        None, validate_default=True, description="http://127.0.0.1:port, with EXCHANGE_MODE=sandbox only"
    )
    binance_weight_per_minute: PositiveInt = Field(
        1200, description="a whole number above 0: weight a minute of all behind one address; orders may exceed it"
    )
    bybit_requests_per_second: PositiveInt = Field(
        100, description="a whole number above 0: requests a second of all behind one address; orders may exceed it"
    )
    egress_address: str = Field(
        "",
        description="a name for the address from which this process reaches the exchanges: bans are shared within it",
    )

    @field_validator("exchange_sandbox_url")
    @classmethod
    def _only_loopback_and_only_in_sandbox_mode(cls, value: str | None, info: Any) -> str | None:
        mode = info.data.get("exchange_mode")
        if value is None:
            if mode == "sandbox":
                raise ValueError("is needed with EXCHANGE_MODE=sandbox: expected http://127.0.0.1:port")
            return None
        if mode != "sandbox":
            raise ValueError("is refused unless EXCHANGE_MODE=sandbox")
        refused = "is refused unless its host is loopback: expected http://127.0.0.1:port"
        parts = split_url(value, refused)
        if parts.scheme != "http" or not parts.hostname or not is_loopback(parts.hostname):
            raise ValueError(refused)
        return value.rstrip("/")


def is_loopback(host: str) -> bool:
    """Whether a host is this machine's own loopback, by its literal address or as localhost."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def explain(cls: type[BaseSettings], error: ValidationError | SettingsError) -> str:
    """One line that names every bad setting and what is expected of it, and shows no value."""
    if isinstance(error, SettingsError):
        # pydantic-settings quotes the field's name first; nothing else of its text is ours to vouch for.
        quoted = str(error).split('"')
        name = quoted[1].upper() if len(quoted) > 1 else "a setting"
        return f"{name}: {_expected(cls, name.lower()) or 'expected a directory that exists'}"
    return "; ".join(_explain_one(cls, detail) for detail in error.errors(include_input=False, include_url=False))


def _explain_one(cls: type[BaseSettings], detail: ErrorDetails) -> str:
    field = str(detail["loc"][0]) if detail["loc"] else "settings"
    expected = _expected(cls, field) or detail["msg"]
    if detail["type"] == "missing":
        return f"{field.upper()} is not set: {expected}"
    if detail["type"] == "value_error":
        return f"{field.upper()}: {detail['msg'].removeprefix('Value error, ')}"
    return f"{field.upper()} is not valid: {expected}"


def _expected(cls: type[BaseSettings], field: str) -> str | None:
    info = cls.model_fields.get(field)
    return f"expected {info.description}" if info is not None and info.description else None
