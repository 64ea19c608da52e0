"""The monitor's settings."""

from decimal import Decimal
from typing import ClassVar

from pydantic import Field, PositiveFloat, PositiveInt

from services.common.config import ExchangeSettings, GrpcServerSettings, PositionsClientSettings, ServiceSettings


class MonitorSettings(ServiceSettings, GrpcServerSettings, PositionsClientSettings, ExchangeSettings):
    """What a monitor process is told. Every spacing and age of its own is a setting."""

    service: ClassVar[str] = "monitor"

    relist_seconds: PositiveFloat = Field(60, description="seconds, above 0: between two listings of all levels")
    recheck_seconds: PositiveFloat = Field(1, description="seconds, above 0: how often the last prices are held again")
    price_step_limit: Decimal = Field(
        Decimal("0.02"), gt=0, lt=1, description="a fraction: a larger step of a price is confirmed first"
    )
    price_age_limit_seconds: PositiveFloat = Field(10, description="seconds, above 0: an older price never triggers")
    partition_ttl_seconds: PositiveFloat = Field(6, description="seconds, above 0: how long a partition's lease lasts")
    partition_interval_seconds: PositiveFloat = Field(2, description="seconds, above 0: between two renewals")
    heartbeat_seconds: PositiveFloat = Field(1, description="seconds, above 0: between two heartbeats")
    key_check_seconds: PositiveFloat = Field(1, description="seconds, above 0: how often leased keys are looked over")
    extremes_seconds: PositiveFloat = Field(1, description="seconds, above 0: between two writes of price extremes")
    price_gap_seconds: PositiveFloat = Field(
        15, description="seconds, above 0: prices further apart leave a time that is asked for in candles"
    )
    order_host_seconds: PositiveFloat = Field(
        10, description="seconds, above 0 and below 15: between two requests that keep the connection for orders open"
    )
    marks_seconds: PositiveFloat = Field(1, description="seconds, above 0: between two live marks of a position")
    intents_kept_days: PositiveInt = Field(30, description="days, above 0: how long decisions that are over are kept")
    close_wait_seconds: PositiveFloat = Field(8, description="seconds, above 0: how long a manual close is waited for")
    order_settling_seconds: PositiveFloat = Field(
        1, description="seconds, above 0: how long after its receive window an order may come to light"
    )
    order_asking_seconds: PositiveFloat = Field(
        1, description="seconds, above 0: between two questions after an order that the venue does not know"
    )
    venue_share: float = Field(0.5, gt=0, le=1, description="above 0, at most 1: this process's part of a rate limit")
