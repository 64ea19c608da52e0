"""Those who ask at the same time share a question, and nobody is told what was known before they asked."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.clients.sharing import Sharing


class Source:
    """Answers with how far things were when a question was put, once it is let go."""

    def __init__(self) -> None:
        self.state = 0
        self.asked = 0
        self.waiting: list[asyncio.Future[None]] = []
        self.fails = False

    async def ask(self, key: str) -> tuple[str, int]:
        self.asked += 1
        seen, fails = self.state, self.fails
        let_go = asyncio.get_running_loop().create_future()
        self.waiting.append(let_go)
        await let_go
        if fails:
            raise LookupError(key)
        return key, seen

    async def answer(self) -> None:
        """Let the oldest question go, and everything that follows from it happen."""
        self.waiting.pop(0).set_result(None)
        await settle()


async def settle() -> None:
    for _ in range(8):
        await asyncio.sleep(0)


async def test_those_who_come_meanwhile_share_the_next_question() -> None:
    source = Source()
    sharing: Sharing[str, tuple[str, int]] = Sharing(source.ask)
    first = asyncio.create_task(sharing.get("demo"))
    await settle()
    source.state = 1  # somebody writes, and asks after that
    later = [asyncio.create_task(sharing.get("demo")) for _ in range(7)]
    await settle()
    assert source.asked == 1
    await source.answer()
    assert await first == ("demo", 0)
    assert source.asked == 2
    await source.answer()
    assert await asyncio.gather(*later) == [("demo", 1)] * 7
    assert (source.asked, sharing.size) == (2, 0)


async def test_another_question_is_not_shared() -> None:
    source = Source()
    sharing: Sharing[str, tuple[str, int]] = Sharing(source.ask)
    asking = [asyncio.create_task(sharing.get(key)) for key in ("demo", "eve")]
    await settle()
    assert source.asked == 2
    await source.answer()
    await source.answer()
    assert await asyncio.gather(*asking) == [("demo", 0), ("eve", 0)]


async def test_who_gives_up_takes_nobody_along() -> None:
    source = Source()
    sharing: Sharing[str, tuple[str, int]] = Sharing(source.ask)
    gone, stays = (asyncio.create_task(sharing.get("demo")) for _ in range(2))
    other = asyncio.create_task(sharing.get("demo"))
    await settle()
    gone.cancel()
    other.cancel()
    await settle()
    await source.answer()
    await source.answer()
    assert await stays == ("demo", 0)
    assert sharing.size == 0


async def test_a_failure_is_everybodys_who_shared_it_and_no_others() -> None:
    source = Source()
    sharing: Sharing[str, tuple[str, int]] = Sharing(source.ask)
    source.fails = True
    first = asyncio.create_task(sharing.get("demo"))
    await settle()
    source.fails = False
    second = asyncio.create_task(sharing.get("demo"))
    await settle()
    await source.answer()
    with pytest.raises(LookupError):
        await first
    await source.answer()
    assert await second == ("demo", 0)


@given(st.lists(st.sampled_from(["ask", "write", "answer", "give up"]), max_size=60))
def test_nobody_is_told_what_was_known_before_they_asked(steps: list[str]) -> None:
    async def run() -> None:
        source = Source()
        sharing: Sharing[str, tuple[str, int]] = Sharing(source.ask)
        asking: list[tuple[int, asyncio.Task[tuple[str, int]]]] = []
        for step in steps:
            if step == "ask":
                asking.append((source.state, asyncio.create_task(sharing.get("demo"))))
            elif step == "write":
                source.state += 1
            elif step == "answer" and source.waiting:
                await source.answer()
            elif step == "give up" and asking:
                asking.pop()[1].cancel()
            await settle()
            assert len(source.waiting) <= 1
        while source.waiting:
            await source.answer()
        for known, task in asking:
            assert (await task)[1] >= known
        assert sharing.size == 0

    asyncio.run(run())
