"""News of orders reaches the books in its order, each once they take it or refuse it, and before the process ends."""

import asyncio
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum, auto
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import DatabaseUnavailable, PositionNotFound, ServiceUnavailable, TransactionConflict
from services.common.process import Process
from services.monitor.carrying.reporting import Reminder, Reporter
from services.monitor.domain.intent import Claim
from tests.simulated_time import run_simulated


class Answer(Enum):
    """What becomes of one try to tell."""

    TAKEN = auto()
    AWAY = auto()
    CONFLICT = auto()
    REFUSED = auto()
    BREAKS = auto()


@dataclass(frozen=True)
class News:
    """One of many, by number."""

    number: int

    @property
    def intent_id(self) -> UUID:
        return UUID(int=self.number)


class Notebook:
    """Books that answer as they are told to, and take everything from then on."""

    def __init__(self, *answers: Answer) -> None:
        self.taken: list[int] = []
        self.refused: list[int] = []
        self._answers = deque(answers)

    async def record(self, news: News) -> None:
        await asyncio.sleep(0.01)
        match self._answers.popleft() if self._answers else Answer.TAKEN:
            case Answer.AWAY:
                raise ServiceUnavailable(service="positions")
            case Answer.CONFLICT:
                raise TransactionConflict
            case Answer.REFUSED:
                self.refused.append(news.number)
                raise PositionNotFound(position_id="OP_1")
            case Answer.BREAKS:
                raise RuntimeError("nobody thought of this")
            case Answer.TAKEN:
                self.taken.append(news.number)


@given(
    st.lists(st.sampled_from([one for one in Answer if one is not Answer.BREAKS]), max_size=30),
    st.lists(st.sampled_from([0.0, 0.005, 0.5, 3.0]), min_size=1, max_size=12),
)
def test_all_news_is_told_in_its_order_whatever_the_books_answer(answers: list[Answer], pauses: list[float]) -> None:
    async def scenario() -> Notebook:
        books = Notebook(*answers)
        reporter = Reporter(books.record)
        running = asyncio.create_task(reporter.run())
        for number, pause in enumerate(pauses):
            reporter.tell(News(number))
            await asyncio.sleep(pause)
        await reporter.drain(1000)
        running.cancel()
        await asyncio.wait([running])
        return books

    books = run_simulated(scenario())
    assert books.taken == sorted(books.taken)
    assert sorted(books.taken + books.refused) == list(range(len(pauses)))


def test_the_newest_is_kept_while_the_books_are_away() -> None:
    async def scenario() -> Notebook:
        books = Notebook(*[Answer.AWAY] * 10)
        reporter = Reporter(books.record, kept=3)
        running = asyncio.create_task(reporter.run())
        for number in range(8):
            reporter.tell(News(number))
            await asyncio.sleep(0.1)
        await reporter.drain(100)
        running.cancel()
        await asyncio.wait([running])
        return books

    # The first is in hand when the others come.
    assert run_simulated(scenario()).taken == [0, 5, 6, 7]


def test_what_is_told_while_the_process_drains_is_handed_on_before_it_ends() -> None:
    async def scenario() -> Notebook:
        books = Notebook(Answer.AWAY)
        process = Process("monitor")
        reporter = Reporter(books.record, retry_seconds=0.1)

        async def main(process: Process) -> None:
            reporter.start(process, "news")

            async def last_words() -> None:
                for number in range(3):
                    reporter.tell(News(number))

            process.on_drain(last_words, "work")
            process.stop()

        assert await process.supervise(main, "127.0.0.1:0") == 0
        return books

    assert asyncio.run(scenario()).taken == [0, 1, 2]


def test_books_that_stay_away_do_not_hold_up_the_end() -> None:
    async def scenario() -> float:
        books = Notebook(*[Answer.AWAY] * 1000)
        reporter = Reporter(books.record)
        running = asyncio.create_task(reporter.run())
        reporter.tell(News(0))
        started = asyncio.get_running_loop().time()
        await reporter.drain(2)
        running.cancel()
        await asyncio.wait([running])
        return asyncio.get_running_loop().time() - started

    assert run_simulated(scenario()) == 2


class Partitions:
    """What a process holds."""

    def __init__(self) -> None:
        self.held: dict[int, Claim] = {}

    def claims(self) -> dict[int, Claim]:
        return self.held


def test_how_the_last_orders_ended_is_told_again_by_whoever_takes_their_partition() -> None:
    """Who held it may have died with that written and not told: an order would look as if it still waited, for ever."""

    async def scenario() -> list[list[int]]:
        books, partitions, asked = Notebook(), Partitions(), list[list[int]]()
        reporter = Reporter(books.record)

        async def unfilled(taken: Collection[int], limit: int) -> list[News]:
            asked.append(sorted(taken))
            if len(asked) == 1:
                raise DatabaseUnavailable
            return [News(partition) for partition in sorted(taken)][:limit]

        reminder = Reminder(unfilled, reporter.tell, partitions)
        tasks = [asyncio.create_task(reporter.run()), asyncio.create_task(reminder.run())]
        await asyncio.sleep(5)
        partitions.held = {3: Claim("one", 3, 1), 4: Claim("one", 4, 1)}
        await asyncio.sleep(5)
        assert books.taken == [3, 4]
        kept, partitions.held = partitions.held, {}
        await asyncio.sleep(5)
        partitions.held = kept
        await asyncio.sleep(5)
        assert books.taken == [3, 4], "it was not taken anew"
        partitions.held = {**kept, 4: Claim("one", 4, 3)}
        await asyncio.sleep(5)
        assert books.taken == [3, 4, 4]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        return asked

    assert run_simulated(scenario()) == [[3, 4], [3, 4], [4]]


def test_news_that_cannot_be_told_keeps_no_other_from_being_told() -> None:
    async def scenario() -> Notebook:
        books = Notebook(Answer.TAKEN, Answer.BREAKS)
        reporter = Reporter(books.record)
        for number in range(4):
            reporter.tell(News(number))
        with pytest.raises(RuntimeError):
            await reporter.run()
        running = asyncio.create_task(reporter.run())  # as a process that attends to it does
        await reporter.drain(10)
        assert asyncio.get_running_loop().time() < 1
        running.cancel()
        await asyncio.wait([running])
        return books

    assert run_simulated(scenario()).taken == [0, 2, 3]
