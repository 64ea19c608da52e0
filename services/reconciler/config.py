"""The reconciler's settings."""

from typing import ClassVar

from pydantic import Field, PositiveFloat, PositiveInt

from services.common.config import GrpcServerSettings, PositionsClientSettings, ServiceSettings


class ReconcilerSettings(ServiceSettings, GrpcServerSettings, PositionsClientSettings):
    """What the reconciler is told; all durations in seconds."""

    service: ClassVar[str] = "reconciler"

    reconcile_interval_seconds: PositiveFloat = Field(300, description="seconds, above 0: how often each account")
    reconcile_concurrency: PositiveInt = Field(
        8, description="a whole number above 0: accounts of each venue that are looked at at once"
    )
    reconcile_lease_seconds: PositiveFloat = Field(30, description="seconds, above 0: a dead replica's are free then")
    reconcile_observe_timeout_seconds: PositiveFloat = Field(
        75, description="seconds, above 0: one look at a venue, its wait for the rate budget included"
    )
    reconcile_pace_seconds: PositiveFloat = Field(
        0.05, description="seconds, above 0: at start, accounts are looked at one after another, so far apart"
    )
    reconcile_recheck_seconds: PositiveFloat = Field(
        2, description="seconds, above 0: how soon an account is looked at again that was left with something open"
    )
    reconcile_refresh_seconds: PositiveFloat = Field(60, description="seconds, above 0: how often accounts are listed")
    reconcile_absence_spacing_seconds: PositiveFloat = Field(
        20, description="seconds, above 0: readings closer than that count once"
    )
    reconcile_absence_confirmations: PositiveInt = Field(
        3, description="a whole number above 0: how many readings have to agree that a position is gone"
    )
    reconcile_fills_lag_seconds: PositiveFloat = Field(
        5, description="seconds, above 0: how long a venue may take to list the fills of a change"
    )
    reconcile_degraded_window_seconds: PositiveFloat = Field(
        60, description="seconds, above 0: how far back a venue's failures say that it is degraded"
    )
    reconcile_degraded_share: float = Field(
        0.2, gt=0, le=1, description="above 0, up to 1: the share of a venue's accounts whose failing makes it degraded"
    )
    reconcile_retention_days: PositiveFloat = Field(90, description="days, above 0: how long runs are kept")
    reconcile_prune_seconds: PositiveFloat = Field(600, description="seconds, above 0: how often old runs are removed")
