"""The life of an execution in the real tables: each step once, in order, with its event; stopped, watched, listed."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from uuid import UUID, uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from protos.monitor.v1 import flows_pb2
from services.common.errors import (
    DomainError,
    FieldInvalid,
    LeaseLost,
    PositionAlreadyClosed,
    ServiceUnavailable,
    TransactionConflict,
)
from services.common.trading.client_order_id import OrderCause
from services.common.trading.level import Pinned
from services.monitor.domain.errors import CloseRejected
from services.monitor.domain.evaluation.advice import Action, Advice, Urgency
from services.monitor.domain.execution import (
    Execution,
    ExecutionEnded,
    ExecutionNotFound,
    ExecutionState,
    ExecutionStep,
    ExecutionUpdate,
    Step,
)
from services.monitor.domain.opening import OpeningState, Size, SizeKind
from services.monitor.domain.opening_errors import InsufficientMargin
from services.monitor.evaluation.store import PostgresEvaluations
from services.monitor.events.evaluations import write_evaluation
from services.monitor.events.executions import read_evaluation
from services.monitor.flows.executions import Executions
from services.monitor.flows.store import PostgresExecutions
from tests.contract.monitor.flows_world import FlowsWorld, a_result, estimated, flows_world, seen
from tests.contract.monitor.test_evaluations import evaluation
from tests.fakes.orders import Answer
from tests.unit.monitor.opening_world import USER, a_wish
from tests.waiting import until


@pytest.fixture
async def world(engine: AsyncEngine) -> AsyncIterator[FlowsWorld]:
    async with flows_world(engine) as one:
        yield one


async def running(world: FlowsWorld, request_id: str = "r1") -> Execution:
    """An execution whose position is open."""
    return await world.opened(await world.executions.start(a_wish(), request_id))


async def cared_for(world: FlowsWorld, execution: Execution, holds: Callable[[Execution], bool]) -> None:
    """Let the replica look after its executions until it holds."""
    async with asyncio.timeout(10):
        while not holds(await world.store.get(USER, execution.execution_id)):
            await world.care.turn()
            await asyncio.sleep(0)


async def steps_of(world: FlowsWorld, execution: Execution) -> list[str]:
    _, updates = await world.executions.get(execution.user_id, execution.execution_id)
    assert [update.sequence for update in updates] == list(range(1, len(updates) + 1))
    return [update.step.value for update in updates]


async def test_a_whole_life_is_told_once_and_in_order(world: FlowsWorld) -> None:
    started = await world.executions.start(a_wish(), "r1")
    assert started.state is ExecutionState.OPENING
    execution = await world.opened(started)
    assert (execution.state, execution.position_id) == (ExecutionState.OPEN, "OP_1_1")
    advised = Step(ExecutionStep.EVALUATED, "evaluation 1", world.clock.now(), "rules say hold")
    for _ in range(2):
        for version in (1, 2, 3):
            stop = Pinned(Decimal(97 + version))
            await world.store.follow(seen(execution, version, stop), world.clock.now())
        await world.store.tell(execution.position_id, advised)
    smaller = seen(execution, 4, Pinned(Decimal(100)), quantity=Decimal("1.5"))
    await world.store.follow(smaller, world.clock.now())
    closing = await world.begin_closing(execution)
    for _ in range(2):
        await world.care.turn()
    ended = seen(execution, 5, is_open=False, result=a_result(world.clock))
    for _ in range(2):
        await world.store.follow(ended, world.clock.now())
    late = replace(advised, fact="evaluation 2", detail="rules say close")
    after = replace(advised, fact="evaluation 3", happened_at=world.clock.now() + timedelta(seconds=1))
    for step in (late, late, after):
        await world.store.tell(execution.position_id, step)
    execution, updates = await world.executions.get(USER, execution.execution_id)
    assert [(update.step.value, update.detail) for update in updates] == [
        ("opening", "A long 2 BTCUSDT on binance is being opened."),
        ("opened", "Opened 2 at 100: OP_1_1."),
        ("level_moved", "stop-loss: 98 → 99"),
        ("level_moved", "stop-loss: 99 → 100"),
        ("evaluated", "rules say hold"),
        ("resized", "quantity: 2 → 1.5"),
        ("closing", "Closing: stop_loss at 97.9, past 98."),
        ("closed", "Closed: stop_loss at 97.9 for -4.4 net."),
        ("evaluated", "rules say close"),
    ]
    assert updates[6].happened_at == closing.created_at
    assert (execution.state, execution.result) == (ExecutionState.CLOSED, a_result(world.clock))
    events = await world.told()
    assert [event.update.sequence for event in events] == list(range(1, 10))
    assert events[-1].execution.state == flows_pb2.EXECUTION_STATE_CLOSED
    assert (events[-1].execution.result.price, events[-1].user_id) == ("97.9", USER)
    assert events[1].execution.state == flows_pb2.EXECUTION_STATE_OPEN


@pytest.mark.parametrize("seen_closing", [True, False])
async def test_the_advice_that_a_close_came_of_is_told_before_it_though_it_is_heard_of_later(
    world: FlowsWorld, seen_closing: bool
) -> None:
    execution = await running(world)
    advice = Advice(Action.CLOSE, "the thesis is gone", Urgency.HIGH, 95)
    acted = evaluation(0, position_id=execution.position_id, advice=advice)
    evaluations = PostgresEvaluations(world.engine)
    await evaluations.write([evaluation(0, position_id="another", advice=advice), acted], [])
    await world.begin_closing(execution, OrderCause.AI_SIGNAL)
    if seen_closing:
        await world.care.turn()
    await world.store.follow(seen(execution, 2, is_open=False, result=a_result(world.clock)), world.clock.now())
    heard = read_evaluation(write_evaluation(acted))
    for _ in range(2):
        await world.store.tell(execution.position_id, heard)
    assert await steps_of(world, execution) == ["opening", "opened", "evaluated", "closing", "closed"]


async def test_what_closed_it_is_told_though_nobody_saw_it_begin(world: FlowsWorld) -> None:
    execution = await running(world)
    await world.begin_closing(execution)
    await world.store.follow(seen(execution, 2, is_open=False, result=a_result(world.clock)), world.clock.now())
    assert await steps_of(world, execution) == ["opening", "opened", "closing", "closed"]
    states = [event.execution.state for event in await world.told()]
    assert states == [1, 2, 3, 4], "each event has the execution as it was after its step"


async def test_an_estimated_end_is_completed_when_fills_are_found(world: FlowsWorld) -> None:
    execution = await running(world)
    gone = seen(execution, 2, is_open=False, result=estimated(world.clock))
    ended = await world.store.follow(gone, world.clock.now())
    assert ended is not None
    assert (ended.state, ended.result) == (ExecutionState.CLOSED, estimated(world.clock))
    found = seen(execution, 3, is_open=False, result=a_result(world.clock))
    for _ in range(2):
        completed = await world.store.follow(found, world.clock.now())
    assert completed is not None
    assert completed.result == a_result(world.clock)
    assert await steps_of(world, execution) == ["opening", "opened", "closed", "result_completed"]


async def test_the_position_may_be_heard_of_before_the_books_have_answered(world: FlowsWorld) -> None:
    world.books.down = 0
    started = await world.executions.start(a_wish(), "r1")
    await world.store.follow(seen(started, 1), world.clock.now())
    execution = await world.opened(started)
    assert execution.state is ExecutionState.OPEN
    assert (await steps_of(world, execution)).count("opened") == 1
    await until(lambda: world.books.booked)


async def test_nothing_opened_ends_it_with_the_reason(engine: AsyncEngine) -> None:
    async with flows_world(engine, Answer.FILTERED) as world:
        execution = await world.opened(await world.executions.start(a_wish(), "r1"))
        assert execution.state is ExecutionState.FAILED
        assert "Margin is insufficient" in execution.reason
        assert await steps_of(world, execution) == ["opening", "failed"]


async def test_what_is_known_before_the_order_is_said_at_once(world: FlowsWorld) -> None:
    with pytest.raises(InsufficientMargin):
        await world.executions.start(a_wish(size=Size(SizeKind.QUANTITY, Decimal(999))), "r1")
    assert await world.executions.list(USER, "", 10, None, running=False) == ((), None)
    assert await world.told() == []


async def test_an_order_that_comes_to_light_brings_its_execution_back(engine: AsyncEngine) -> None:
    async with flows_world(engine, Answer.LOST) as world:
        failed = await world.opened(await world.executions.start(a_wish(), "r1"))
        assert failed.state is ExecutionState.FAILED
        await world.openings.reopen(failed.intent_id, world.clock.now())
        again = await world.store.get(USER, failed.execution_id)
        assert (again.state, again.ended_at) == (ExecutionState.OPENING, None)
        await world.store.follow(seen(again, 1), world.clock.now())
        (opening,) = await world.openings.take_over(world.claims())
        booked = replace(opening, state=OpeningState.FILLED)
        await world.openings.save(opening, booked)
        execution = await world.store.get(USER, failed.execution_id)
        assert (execution.state, execution.position_id) == (ExecutionState.OPEN, "OP_1_1")
        assert await steps_of(world, execution) == ["opening", "failed", "opening", "opened"]


async def test_a_request_is_one_execution(world: FlowsWorld) -> None:
    first = await running(world)
    assert (await world.executions.start(a_wish(), "r1")).execution_id == first.execution_id
    with pytest.raises(FieldInvalid):
        await world.executions.start(a_wish(symbol="ETHUSDT"), "r1")
    with pytest.raises(FieldInvalid):
        await world.executions.start(a_wish(provenance=replace(a_wish().provenance, flow_id="another")), "r1")
    assert world.venue.state.sent == 1


async def test_a_stop_closes_once_for_its_request(world: FlowsWorld) -> None:
    execution = await running(world)
    for request_id in ("s1", "s1", "s2"):
        stopping = await world.executions.stop(USER, execution.execution_id, request_id)
        assert stopping.state is ExecutionState.CLOSING
    await world.care.turn()
    request = f"stop {execution.execution_id} s1"
    await until(lambda: world.closing.asked)
    assert set(world.closing.asked) == {(USER, execution.position_id, request)}
    await world.store.follow(seen(execution, 2, is_open=False, result=a_result(world.clock)), world.clock.now())
    await world.care.turn()
    assert await steps_of(world, execution) == ["opening", "opened", "closing", "closed"]
    assert (await world.executions.stop(USER, execution.execution_id, "s1")).state is ExecutionState.CLOSED
    with pytest.raises(ExecutionEnded):
        await world.executions.stop(USER, execution.execution_id, "s3")


async def test_a_stop_that_the_venue_refuses_leaves_it_running(world: FlowsWorld) -> None:
    execution = await running(world)
    world.closing.error = ServiceUnavailable(service="positions")
    await world.executions.stop(USER, execution.execution_id, "s1")
    await world.care.turn()
    await until(lambda: world.closing.asked)
    world.closing.error = CloseRejected(why="filters")

    await cared_for(world, execution, lambda found: found.stop_request_id is None)
    assert (await world.store.get(USER, execution.execution_id)).state is ExecutionState.OPEN
    assert await steps_of(world, execution) == ["opening", "opened", "closing", "close_refused"]


@pytest.mark.parametrize("error", [LeaseLost(key="partition:1"), TransactionConflict()])
async def test_a_stop_that_another_writer_gets_in_the_way_of_is_tried_again(
    world: FlowsWorld, error: DomainError
) -> None:
    execution = await running(world)
    world.closing.error = error
    await world.executions.stop(USER, execution.execution_id, "s1")
    await world.care.turn()
    await until(lambda: world.closing.asked)
    world.closing.error = CloseRejected(why="filters")
    await cared_for(world, execution, lambda found: found.stop_request_id is None)
    assert {request for _, _, request in world.closing.asked} == {f"stop {execution.execution_id} s1"}
    assert len(world.closing.asked) > 1


async def test_a_stop_of_what_was_closed_meanwhile_looks_it_up(world: FlowsWorld) -> None:
    execution = await running(world)
    world.closing.error = PositionAlreadyClosed(position_id=execution.position_id)
    world.seen[execution.position_id] = seen(execution, 2, is_open=False, result=a_result(world.clock))
    await world.executions.stop(USER, execution.execution_id, "s1")
    await cared_for(world, execution, lambda found: found.state.ended)


async def test_a_stop_before_the_order_opens_nothing(world: FlowsWorld) -> None:
    claims, world.held = world.held, {}
    execution = await world.executions.start(a_wish(), "r1")
    world.held = claims
    await world.executions.stop(USER, execution.execution_id, "s1")
    await cared_for(world, execution, lambda found: found.state.ended)
    assert await steps_of(world, execution) == ["opening", "closing", "failed"]
    assert world.venue.state.sent == 0


async def test_another_users_execution_does_not_exist(world: FlowsWorld) -> None:
    execution = await running(world)
    watching = world.executions.watch("another", execution.execution_id, 0)
    for attempt in (
        world.executions.get("another", execution.execution_id),
        world.executions.stop("another", execution.execution_id, "s1"),
        anext(aiter(watching)),
        world.executions.get(USER, uuid4()),
    ):
        with pytest.raises(ExecutionNotFound):
            await attempt
    assert await world.executions.list("another", "", 10, None, running=False) == ((), None)


async def test_it_is_watched_until_it_ends_and_from_where_somebody_left_off(world: FlowsWorld) -> None:
    execution = await running(world)
    watch = partial(world.executions.watch, USER, execution.execution_id)
    seen_so_far: list[tuple[ExecutionUpdate, Execution]] = []

    async def follow() -> None:
        async for pair in watch(0):
            seen_so_far.append(pair)  # noqa: PERF401 - what was seen is looked at while more comes

    async with asyncio.TaskGroup() as watchers:
        watchers.create_task(follow())
        await until(lambda: len(seen_so_far) == 2)
        for version in (1, 2):
            await world.store.follow(seen(execution, version, Pinned(Decimal(97 + version))), world.clock.now())
        await until(lambda: len(seen_so_far) == 3)
        await world.store.follow(seen(execution, 3, is_open=False, result=a_result(world.clock)), world.clock.now())
    assert [update.sequence for update, _ in seen_so_far] == [1, 2, 3, 4]
    assert seen_so_far[-1][1].state is ExecutionState.CLOSED
    assert [update.sequence async for update, _ in watch(3)] == [4]
    assert [update async for update, _ in watch(4)] == []
    assert [update async for update, _ in watch(2**63 - 1)] == []


async def test_a_lost_event_is_made_up_for(world: FlowsWorld) -> None:
    execution = await running(world)
    world.seen[execution.position_id] = seen(execution, 2, is_open=False, result=a_result(world.clock))
    caring = asyncio.create_task(world.care.run())
    steps = [update.step async for update, _ in world.executions.watch(USER, execution.execution_id, 2)]
    assert steps == [ExecutionStep.CLOSED]
    caring.cancel()


async def test_they_are_listed_in_pages_by_flow_and_while_they_run(world: FlowsWorld) -> None:
    found = []
    for number in range(5):
        provenance = replace(a_wish().provenance, flow_id=f"flow-{number % 2}")
        wish = a_wish(symbol=f"S{number}USDT", provenance=provenance)
        found.append(await world.opened(await world.executions.start(wish, f"r{number}")))
    await world.store.follow(seen(found[0], 1, is_open=False, result=a_result(world.clock)), world.clock.now())
    pages, before = [], None
    while True:
        page, before = await world.executions.list(USER, "", 2, before, running=False)
        pages.append([execution.symbol for execution in page])
        if before is None:
            break
    assert pages == [["S4USDT", "S3USDT"], ["S2USDT", "S1USDT"], ["S0USDT"]]
    page, _ = await world.executions.list(USER, "flow-0", 10, None, running=True)
    assert [execution.symbol for execution in page] == ["S4USDT", "S2USDT"]


class StepInBetween(PostgresExecutions):
    """Where a step is written right after an execution was read."""

    step: Step

    async def get(self, user_id: str, execution_id: UUID) -> Execution:
        execution = await super().get(user_id, execution_id)
        await self.tell(execution.position_id, self.step)
        return execution


async def test_an_execution_is_told_with_the_steps_that_led_to_it_and_no_later_one(
    world: FlowsWorld, engine: AsyncEngine
) -> None:
    execution = await running(world)
    store = StepInBetween(engine, lambda: None)
    store.step = Step(ExecutionStep.EVALUATED, "evaluation 1", world.clock.now(), "rules say hold")
    executions = Executions(
        *(store, world.planner, world.opener, world.openings, world.watching, world.care, world.clock)
    )
    found, updates = await executions.get(USER, execution.execution_id)
    assert (found.sequence, [update.sequence for update in updates]) == (2, [1, 2])
    assert (await world.store.get(USER, execution.execution_id)).sequence == 3
