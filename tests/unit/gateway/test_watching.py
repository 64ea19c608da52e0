"""Whom the gateway says somebody looks at."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.gateway.hub import Hub
from services.gateway.watching import UserWatch
from tests.waiting import until


@asynccontextmanager
async def telling(watch: UserWatch) -> AsyncIterator[None]:
    task = asyncio.create_task(watch.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class Told:
    def __init__(self) -> None:
        self.users: list[str] = []

    async def __call__(self, user_id: str) -> bool:
        self.users.append(user_id)
        return True

    async def times(self, user_id: str, times: int) -> None:
        await until(lambda: self.users.count(user_id) >= times, 0.01)


async def test_who_asks_is_told_of_at_once_and_once() -> None:
    told = Told()
    watch = UserWatch(frozenset, told)
    async with telling(watch):
        watch.looked("u")
        watch.looked("u")
        await told.times("u", 1)
        watch.looked("v")
        await told.times("v", 1)
    assert told.users == ["u", "v"]


async def test_who_has_a_socket_is_told_of_again_and_again() -> None:
    told, hub = Told(), Hub(8, per_user=3)
    subscription = hub.attach("u")
    watch = UserWatch(lambda: hub.users, told, interval_seconds=0)
    async with telling(watch):
        await told.times("u", 1)
        watch.looked("v")
        await told.times("u", 2)
    hub.detach(subscription)
    assert hub.users == frozenset()


async def test_a_look_counts_for_a_while_only() -> None:
    told = Told()
    watch = UserWatch(frozenset, told, interval_seconds=0, kept_seconds=0)
    async with telling(watch):
        watch.looked("u")
        watch.looked("v")
        await asyncio.sleep(0)
    assert told.users == []
