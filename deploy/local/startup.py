"""The startup lines: each is printed when the health services that it names are SERVING, never before, and in order."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

STARTING = "Initializing hybrid position management services..."
POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class StartupLine:
    """A line and the health service that it announces."""

    text: str
    health: str


STARTUP_LINES = (
    StartupLine("User API Key Manager initialized", "positions.v1.AccountsService"),
    StartupLine("Position Management Service initialized (hybrid mode)", "positions.v1.PositionsService"),
    StartupLine("Real Operations Service initialized with real-time data", "positions.v1.LivePositionsService"),
    StartupLine("Position Reconciliation Service initialized", "reconciler.v1.ReconcilerService"),
    StartupLine("Hybrid services connected to positions routes", "gateway.http"),
    # The lines before it have been printed by then: all of the above serve, and the prices are watched.
    StartupLine("Hybrid position management ready - real-time data enabled", "monitor.v1.MonitorService"),
    StartupLine("Position reconciliation service started (auto-sync enabled)", "reconciler.v1.Schedule"),
)


async def announce_startup(
    read_serving: Callable[[], Awaitable[frozenset[str]]],
    announce: Callable[[str], None],
    lines: tuple[StartupLine, ...] = STARTUP_LINES,
) -> None:
    """Print the lines as the services behind them come up; returns after the last.

    `read_serving` tells which health services are SERVING now.
    """
    waiting = list(lines)
    while waiting:
        serving = await read_serving()
        while waiting and waiting[0].health in serving:
            announce(waiting.pop(0).text)
        if waiting:
            await asyncio.sleep(POLL_SECONDS)
