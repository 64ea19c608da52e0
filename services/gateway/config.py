"""The gateway's settings."""

from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, Field, NonNegativeInt, PositiveFloat, PositiveInt, SecretStr, model_validator

from services.common.config import (
    MonitorClientSettings,
    PositionsClientSettings,
    ReconcilerClientSettings,
    ServiceSettings,
    is_loopback,
    split_url,
)

SHORTEST_SECRET_BYTES = 32
"""An HS256 secret shorter than its hash can be guessed from one token (RFC 7518, section 3.2)."""


def _long_enough(secret: SecretStr) -> SecretStr:
    if len(secret.get_secret_value().encode()) < SHORTEST_SECRET_BYTES:
        raise ValueError(f"expected a secret of at least {SHORTEST_SECRET_BYTES} bytes")
    return secret


def _published(url: str) -> str:
    expected = "expected an https address"
    parts = split_url(url, expected)
    if not parts.hostname or parts.username is not None:
        raise ValueError(expected)
    # Whoever can change the keys on their way can sign as anybody.
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname)):
        raise ValueError(expected)
    return url


def _origins(origins: list[str]) -> list[str]:
    expected = "expected a JSON list of origins, such as https://app.example.com"
    for origin in origins:
        parts = split_url(origin, expected)
        if parts.scheme not in ("http", "https") or origin != f"{parts.scheme}://{parts.netloc}" or not parts.netloc:
            raise ValueError(expected)
    return origins


class GatewaySettings(ServiceSettings, PositionsClientSettings, ReconcilerClientSettings, MonitorClientSettings):
    """What the gateway is told. The signing secret has no default: without one the gateway does not start."""

    service: ClassVar[str] = "gateway"

    gateway_host: str = Field("127.0.0.1", min_length=1, description="the address that the public HTTP port binds")
    gateway_port: int = Field(3333, ge=0, le=65535, description="a port from 0 to 65535; 0 chooses one")
    jwt_secret: Annotated[SecretStr, AfterValidator(_long_enough)] | None = Field(
        None, description=f"the secret that signs tokens (HS256), at least {SHORTEST_SECRET_BYTES} bytes"
    )
    jwt_jwks_url: Annotated[str, AfterValidator(_published)] | None = Field(
        None,
        description="instead of JWT_SECRET: the https address of the keys that sign tokens (RS256, ES256)",
    )
    jwks_fresh_seconds: PositiveFloat = Field(
        300, description="seconds, above 0: how long fetched keys are not asked for"
    )
    jwks_spacing_seconds: PositiveFloat = Field(
        10,
        description="seconds, above 0: the least between two fetches of keys, however many tokens name an unknown one",
    )
    jwks_stale_seconds: PositiveFloat = Field(
        86_400, description="seconds, above 0: how long keys stay good while their address cannot be reached"
    )
    jwt_issuer: str = Field("tandem", min_length=1, description="the issuer of tokens")
    jwt_audience: str = Field("tandem", min_length=1, description="the audience of tokens")
    cors_origins: Annotated[list[str], AfterValidator(_origins)] = Field(
        default_factory=list,
        description='a JSON list of origins whose pages may call, such as ["https://app.example.com"]',
    )
    rate_limit_reads: NonNegativeInt = Field(
        1200, description="reads that a user may ask of this process a minute, from 0; 0 is no limit"
    )
    rate_limit_writes: NonNegativeInt = Field(
        240, description="writes that a user may ask of this process a minute, from 0; 0 is no limit"
    )
    sync_timeout_seconds: PositiveFloat = Field(60, description="seconds, above 0: the most that a sync may take")
    close_timeout_seconds: PositiveFloat = Field(30, description="seconds, above 0: the most that a close may take")
    key_timeout_seconds: PositiveFloat = Field(
        30, description="seconds, above 0: the most that verifying a key may take"
    )
    socket_auth_seconds: PositiveFloat = Field(5, description="seconds, above 0: how long a socket may stay anonymous")
    socket_ping_seconds: PositiveFloat = Field(20, description="seconds, above 0: the spacing of pings to a socket")
    socket_backlog: PositiveInt = Field(
        256, description="messages, above 0: a socket that is further behind is dropped"
    )
    socket_stall_seconds: PositiveFloat = Field(
        20, description="seconds, above 0: a socket that takes longer over one message is dropped"
    )
    sockets_per_user: PositiveInt = Field(20, description="sockets, above 0, that a user may have open at this process")
    socket_replay_limit: PositiveInt = Field(
        1000, description="messages, above 0: a client that missed more reads anew instead"
    )
    gateway_demo_token: SecretStr | None = Field(
        None, description="a token that anyone on this machine may have: of a local stack's demo user, never elsewhere"
    )

    @model_validator(mode="after")
    def _one_way_to_verify(self) -> Self:
        if (self.jwt_secret is None) == (self.jwt_jwks_url is None):
            raise ValueError("expected either JWT_SECRET or JWT_JWKS_URL")
        return self
