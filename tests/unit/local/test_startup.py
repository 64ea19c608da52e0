"""The startup lines: word for word, in order, and never before the health that they announce."""

from deploy.local.startup import STARTING, STARTUP_LINES, announce_startup

EXPECTED = [
    "Initializing hybrid position management services...",
    "User API Key Manager initialized",
    "Position Management Service initialized (hybrid mode)",
    "Real Operations Service initialized with real-time data",
    "Position Reconciliation Service initialized",
    "Hybrid services connected to positions routes",
    "Hybrid position management ready - real-time data enabled",
    "Position reconciliation service started (auto-sync enabled)",
]


def test_the_lines_are_what_people_look_for() -> None:
    assert [STARTING, *(line.text for line in STARTUP_LINES)] == EXPECTED


async def test_each_line_waits_for_its_health_and_for_the_lines_before_it() -> None:
    everything = [line.health for line in STARTUP_LINES]
    # The worst order: the last comes up first.
    readings = [frozenset(everything[len(everything) - count :]) for count in range(len(everything) + 1)]
    announced: list[str] = []
    seen: list[tuple[frozenset[str], int]] = []

    async def read_serving() -> frozenset[str]:
        seen.append((readings[min(len(seen), len(readings) - 1)], len(announced)))
        return seen[-1][0]

    await announce_startup(read_serving, announced.append)
    assert announced == EXPECTED[1:]
    assert [count for _, count in seen] == [0] * len(readings)


async def test_a_line_is_printed_as_soon_as_its_health_serves() -> None:
    everything = [line.health for line in STARTUP_LINES]
    announced: list[str] = []
    counts: list[int] = []

    async def read_serving() -> frozenset[str]:
        counts.append(len(announced))
        return frozenset(everything[: len(counts)])

    await announce_startup(read_serving, announced.append)
    assert counts == list(range(len(everything)))
