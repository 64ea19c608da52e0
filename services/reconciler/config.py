"""The reconciler's settings."""

from typing import ClassVar

from pydantic import Field, PositiveFloat, PositiveInt

from services.common.config import GrpcServerSettings, PositionsClientSettings, ServiceSettings


class ReconcilerSettings(ServiceSettings, GrpcServerSettings, PositionsClientSettings):
    """What the reconciler is told; all durations in seconds."""

    service: ClassVar[str] = "reconciler"

    reconcile_interval_seconds: PositiveFloat = Field(300, description="seconds, above 0: how often each account")
    reconcile_concurrency: PositiveInt = Field(8, description="accounts looked at at once, a whole number above 0")
    reconcile_lease_seconds: PositiveFloat = Field(30, description="seconds, above 0: a dead replica's are free then")
    reconcile_observe_timeout_seconds: PositiveFloat = Field(15, description="seconds, above 0: one look at a venue")
    reconcile_refresh_seconds: PositiveFloat = Field(60, description="seconds, above 0: how often accounts are listed")
    reconcile_absence_spacing_seconds: PositiveFloat = Field(
        20, description="seconds, above 0: readings closer than that count once"
    )
