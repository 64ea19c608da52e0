"""What the positions service is told; the only place in it that reads the environment."""

from typing import ClassVar

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, SecretStr

from services.common.config import DatabaseUrl, ExchangeSettings, GrpcServerSettings, ServiceSettings


class PositionsSettings(ServiceSettings, GrpcServerSettings, ExchangeSettings):
    """Settings of the positions service."""

    service: ClassVar[str] = "positions"

    encryption_keys: SecretStr = Field(description='{"active": id, "keys": {id: base64 of 32 bytes}}')
    database_replica_url: DatabaseUrl | None = Field(
        None, description="postgresql://role:password@host:port/database of a replica, for figures"
    )
    database_replica_pool_size: int = Field(10, ge=1, le=20, description="connections, from 1 to 20")
    reading_max_age_seconds: PositiveFloat = Field(5, description="seconds, above 0: how old a live view may be")
    heartbeat_max_age_seconds: PositiveFloat = Field(
        5, description="seconds, above 0: after which silence an account counts as unguarded"
    )
    credential_lease_seconds: PositiveFloat = Field(
        300, description="seconds, above 0: how long a key may be used that was leased for trading"
    )
    venue_patience_seconds: PositiveFloat = Field(
        3, description="seconds, above 0: how long a live view waits for a venue"
    )
    margin_max_age_seconds: PositiveFloat = Field(
        30, description="seconds, above 0: how seldom an account's margin is read for a live view"
    )
    view_max_age_seconds: NonNegativeFloat = Field(
        0.25, description="seconds, 0 or more: how long an answer is given again while nothing has changed"
    )
    streams_limit: NonNegativeInt = Field(
        200, description="a number, 0 or more: how many private streams this process keeps"
    )
    stream_lease_seconds: PositiveFloat = Field(
        15, description="seconds, above 0: after which another replica takes a silent one's streams over"
    )
    stream_interval_seconds: PositiveFloat = Field(
        2, description="seconds, above 0: how often it is looked who needs a private stream"
    )
    watched_seconds: PositiveFloat = Field(
        30, description="seconds, above 0: how long a user counts as watched after the last word of it"
    )
    trail_interval_seconds: PositiveFloat = Field(
        60, description="seconds, above 0: how often the timeline samples where trailing stops have come to"
    )
    requests_prune_seconds: PositiveFloat = Field(
        600, description="seconds, above 0: how often writes of more than two days ago are forgotten"
    )
    credential_audit_days: PositiveFloat = Field(
        30, description="days, above 0: how long it is kept who was given which account's key"
    )
    cash_interval_seconds: PositiveFloat = Field(
        3600, description="seconds, above 0: how often an account's funding and transfers are read"
    )
    cash_poll_seconds: PositiveFloat = Field(
        20, description="seconds, above 0: how often it is looked whose funding and transfers are due"
    )
    equity_interval_seconds: PositiveFloat = Field(
        30, description="seconds, above 0: how often the equity that was read is written"
    )
