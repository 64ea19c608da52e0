"""Answers that are given again: never past what is known to have changed."""

import asyncio

import pytest

from services.common.errors import DatabaseUnavailable
from services.positions.queries.memory import Memory
from tests.waiting import until


class Question:
    """Counts how often it is put."""

    def __init__(self) -> None:
        self.asked = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: Exception | None = None

    async def __call__(self) -> int:
        self.asked += 1
        answer = self.asked
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return answer


async def get(memory: Memory[int], question: Question, user: str = "u", key: str = "all", current: int = 0) -> int:
    return await memory.get(user, key, question, lambda answer: answer > current)


async def test_it_is_given_again_while_it_is_current() -> None:
    memory, question = Memory[int](60), Question()
    assert [await get(memory, question), await get(memory, question)] == [1, 1]
    assert await get(memory, question, current=1) == 2


async def test_users_and_questions_are_apart() -> None:
    memory, question = Memory[int](60), Question()
    answers = [await get(memory, question, user, key) for user, key in (("u", "a"), ("u", "b"), ("v", "a"))]
    assert answers == [1, 2, 3]


async def test_forgetting_a_user_forgets_all_of_its_answers_and_no_others() -> None:
    memory, question = Memory[int](60), Question()
    for user, key in (("u", "a"), ("u", "b"), ("v", "a")):
        await get(memory, question, user, key)
    memory.forget("u")
    answers = [await get(memory, question, user, key) for user, key in (("u", "a"), ("u", "b"), ("v", "a"))]
    assert answers == [4, 5, 3]
    memory.forget_all()
    assert await get(memory, question, "v", "a") == 6


async def test_a_question_under_way_when_its_user_is_forgotten_answers_nobody_later() -> None:
    memory, question = Memory[int](60), Question()
    question.gate.clear()
    before = asyncio.create_task(get(memory, question))
    shared = asyncio.create_task(get(memory, question))
    await until(lambda: question.asked >= 1)
    memory.forget("u")
    after = asyncio.create_task(get(memory, question))
    await until(lambda: question.asked >= 2)
    question.gate.set()
    assert [await before, await shared, await after] == [1, 1, 2]


async def test_one_that_gives_up_takes_the_answer_from_nobody() -> None:
    memory, question = Memory[int](60), Question()
    question.gate.clear()
    impatient, patient = asyncio.create_task(get(memory, question)), asyncio.create_task(get(memory, question))
    await until(lambda: question.asked >= 1)
    impatient.cancel()
    question.gate.set()
    assert await patient == 1


async def test_a_failure_is_kept_for_nobody() -> None:
    memory, question = Memory[int](60), Question()
    question.error = DatabaseUnavailable()
    with pytest.raises(DatabaseUnavailable):
        await get(memory, question)
    question.error = None
    assert await get(memory, question) == 2


async def test_without_an_age_nothing_is_kept() -> None:
    memory, question = Memory[int](0), Question()
    assert [await get(memory, question), await get(memory, question)] == [1, 2]


async def test_it_is_bounded() -> None:
    memory, question = Memory[int](60, limit=2), Question()
    for user in ("a", "b", "c"):
        await get(memory, question, user)
    assert await get(memory, question, "c") == 3
    assert await get(memory, question, "a") == 4
