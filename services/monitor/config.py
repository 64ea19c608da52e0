"""The monitor's settings."""

from decimal import Decimal
from typing import ClassVar, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, SecretStr, model_validator

from services.common.config import (
    ExchangeSettings,
    GrpcServerSettings,
    PositionsClientSettings,
    ServiceSettings,
    Settings,
)
from services.monitor.evaluation.config import EvaluationSettings
from services.monitor.sentiment.config import SentimentSettings


class AlertSettings(Settings):
    """What the room of alerts is told. Without `webhook_key` there are no webhooks."""

    alerts_per_user: PositiveInt = Field(200, description="a whole number above 0: how many alerts a user may have")
    alerts_relist_seconds: PositiveFloat = Field(60, description="seconds, above 0: between two readings of all alerts")
    alerts_kept_days: PositiveInt = Field(90, description="days, above 0: how long what was told is kept")
    stop_moved_seconds: PositiveFloat = Field(
        60, description="seconds, above 0: a stop that trails is told of at most this often"
    )
    liquidation_near_percent: NonNegativeFloat = Field(
        5,
        lt=80,
        description="percent of the price left to liquidation, under 80, at which everybody is told; 0: nobody",
    )
    liquidation_seconds: PositiveFloat = Field(
        60, description="seconds, above 0: between two questions after liquidation prices that are not far"
    )
    webhook_key: SecretStr | None = Field(
        None, min_length=32, description="at least 32 random characters, from which the keys of webhooks are derived"
    )
    webhook_loopback: bool = Field(False, description="true in EXCHANGE_MODE=sandbox only: webhooks to this machine")
    webhook_timeout_seconds: PositiveFloat = Field(5, description="seconds, above 0: how long a receiver may take")
    webhook_concurrency: PositiveInt = Field(64, description="a whole number above 0: deliveries at once")
    deliveries_kept_days: PositiveInt = Field(14, description="days, above 0: how long deliveries are kept")


class MonitorSettings(
    ServiceSettings,
    GrpcServerSettings,
    PositionsClientSettings,
    ExchangeSettings,
    AlertSettings,
    EvaluationSettings,
    SentimentSettings,
):
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
    open_wait_seconds: PositiveFloat = Field(6, description="seconds, above 0: how long an opening is waited for")
    open_patience_seconds: PositiveFloat = Field(
        30, description="seconds, above 0: an opening that could not be sent for so long is not sent any more"
    )
    open_unresolved_seconds: PositiveFloat = Field(
        10, description="seconds, above 0: an opening order whose fate is not told for so long is alerted of"
    )
    executions_check_seconds: PositiveFloat = Field(
        60, description="seconds, above 0: how often the positions of executions are looked up beside their events"
    )

    @model_validator(mode="after")
    def _loopback_only_in_sandbox_mode(self) -> Self:
        if self.webhook_loopback and self.exchange_mode != "sandbox":
            raise ValueError("WEBHOOK_LOOPBACK is refused unless EXCHANGE_MODE=sandbox")
        return self
