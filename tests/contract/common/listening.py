"""A handler that remembers, and facts for it."""

from services.common.bus import Bus, Received
from services.common.subjects import subject


class Handler:
    """Remembers what it was given; fails as it is told."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.calls = 0
        self.seen: list[str] = []
        self.facts: list[Received] = []

    async def __call__(self, fact: Received) -> None:
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)
        self.seen.append(fact.payload.decode())
        self.facts.append(fact)


async def publish(bus: Bus, fact: str, *payloads: str, user: str = "demo") -> list[int]:
    name = subject("positions", fact, user)
    return [await bus.publish(name, payload.encode(), f"{fact}-{payload}") for payload in payloads]
