"""The gateway's settings."""

from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt, SecretStr

from services.common.config import (
    MonitorClientSettings,
    PositionsClientSettings,
    ReconcilerClientSettings,
    ServiceSettings,
)

SHORTEST_SECRET_BYTES = 32
"""An HS256 secret shorter than its hash can be guessed from one token (RFC 7518, section 3.2)."""


def _long_enough(secret: SecretStr) -> SecretStr:
    if len(secret.get_secret_value().encode()) < SHORTEST_SECRET_BYTES:
        raise ValueError(f"expected a secret of at least {SHORTEST_SECRET_BYTES} bytes")
    return secret


class GatewaySettings(ServiceSettings, PositionsClientSettings, ReconcilerClientSettings, MonitorClientSettings):
    """What the gateway is told. The signing secret has no default: without one the gateway does not start."""

    service: ClassVar[str] = "gateway"

    gateway_host: str = Field("127.0.0.1", min_length=1, description="the address that the public HTTP port binds")
    gateway_port: int = Field(3333, ge=0, le=65535, description="a port from 0 to 65535; 0 chooses one")
    jwt_secret: Annotated[SecretStr, AfterValidator(_long_enough)] = Field(
        description=f"the secret that signs tokens (HS256), at least {SHORTEST_SECRET_BYTES} bytes"
    )
    jwt_issuer: str = Field("tandem", min_length=1, description="the issuer of tokens")
    jwt_audience: str = Field("tandem", min_length=1, description="the audience of tokens")
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
    gateway_demo_token: SecretStr | None = Field(
        None, description="a token that anyone on this machine may have: of a local stack's demo user, never elsewhere"
    )
