"""The health registry: what serves, what counts, what ends."""

import asyncio

from services.common.health import HealthRegistry


def test_nothing_serves_until_it_is_set() -> None:
    health = HealthRegistry()
    health.declare("a")
    assert health.serving("a") is False
    assert health.serving("b") is None
    assert not health.ready()
    health.set("a", True)
    assert health.snapshot() == {"a": "SERVING"}
    assert health.ready()
    assert health.serving("") is True


def test_readiness_waits_only_for_what_counts_and_the_first_declaration_decides() -> None:
    health = HealthRegistry()
    health.declare("schedule", readiness=False)
    health.declare("schedule", readiness=True)
    health.set("service", True)
    assert health.ready()
    assert health.snapshot() == {"schedule": "NOT_SERVING", "service": "SERVING"}


def test_after_the_drain_nothing_serves_again() -> None:
    health = HealthRegistry()
    health.set("a", True)
    health.drain()
    health.set("a", True)
    health.set("b", True)
    assert health.snapshot() == {"a": "NOT_SERVING", "b": "NOT_SERVING"}
    assert not health.ready()


async def test_changes_are_told_at_once_and_none_is_missed() -> None:
    health = HealthRegistry()
    changes = health.changes()
    await anext(changes)
    health.set("a", True)
    health.set("a", False)
    await asyncio.wait_for(anext(changes), 5)
    waiting = asyncio.ensure_future(anext(changes))
    await asyncio.sleep(0)
    health.set("a", False)  # no change
    await asyncio.sleep(0)
    assert not waiting.done()
    health.set("a", True)
    await asyncio.wait_for(waiting, 5)
