"""Evaluations, modes and budgets in a real Postgres, and EvaluationsService over mutual TLS."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as property_settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from deploy.local.certificates import CertificateFiles
from protos.monitor.v1 import evaluations_pb2, events_pb2
from protos.monitor.v1.evaluations_pb2_grpc import EvaluationsServiceStub
from services.common.channels import open_channel
from services.common.database import transaction
from services.common.errors import CallerRefused, DomainError, FieldInvalid, PositionNotFound
from services.common.health import HealthRegistry
from services.common.server import GrpcServer
from services.common.subjects import subject
from services.common.telemetry import Instruments
from services.monitor.config import MonitorSettings
from services.monitor.domain.evaluation.advice import Action, Advice, Mode, Outcome, Urgency
from services.monitor.domain.evaluation.evaluation import LLM, RULES, Evaluation, ModelCall
from services.monitor.domain.sentiment.mood import Mood, SourceScore
from services.monitor.evaluation.modes import Modes
from services.monitor.evaluation.store import EVERYBODY, PostgresEvaluations
from services.monitor.rpc.evaluations import ACCESS, EvaluationsRpc, registration
from tests.contract.monitor.test_rpc import CallerSettings
from tests.contract.positions.requests import requests_of
from tests.fakes.clock import FixedClock
from tests.fakes.evaluations import KeptEvaluations
from tests.unit.monitor.evaluation.situations import NOW

TODAY = NOW.date()
CALL = ModelCall("a-model", "a" * 64, "b" * 64, 350, 400, 50, Decimal("0.0006"))


def evaluation(seconds: float = 0, **changes: Any) -> Evaluation:
    one = Evaluation(
        evaluation_id=uuid.uuid4(),
        position_id="OP_1",
        user_id="demo",
        account_id="account-1",
        evaluated_at=NOW + timedelta(seconds=seconds),
        advice=Advice(Action.MOVE_STOP, "because", Urgency.MEDIUM, 75, Decimal("64000.5")),
        outcome=Outcome.ACTED,
        outcome_reason="",
        advisor=RULES,
        fallback_reason="",
        mark_price=Decimal(66000),
        sentiment=Decimal("-0.25"),
        conditions={"cause": "price", "symbol": "BTCUSDT", "sources": {"reddit": {"score": "-0.25", "count": 4}}},
    )
    return replace(one, **changes)


Store = PostgresEvaluations | KeptEvaluations


@pytest.fixture
def store(engine: AsyncEngine) -> PostgresEvaluations:
    return PostgresEvaluations(engine)


@pytest.fixture(params=["postgres", "memory"])
def either(request: pytest.FixtureRequest, store: PostgresEvaluations) -> Store:
    """Postgres, and the fake that unit tests stand on."""
    return store if request.param == "postgres" else KeptEvaluations()


async def test_what_came_of_an_evaluation_is_taken_anew_and_nothing_else_of_it(either: Store) -> None:
    begun = evaluation()
    await either.write([begun], [])
    ended = replace(begun, outcome=Outcome.FAILED, outcome_reason="refused")
    await either.write([evaluation(30), replace(ended, user_id="another")], [])
    page = await either.list_page("demo", "OP_1", None, 10)
    assert len(page) == 2
    assert page[1][1] == ended


async def test_what_is_written_is_read_back_the_latest_first(either: Store) -> None:
    first = evaluation()
    second = evaluation(30, advisor=LLM, call=CALL, sentiment=None, advice=Advice(Action.CLOSE, "enough"))
    other = evaluation(user_id="another", position_id="OP_2")
    await either.write([first, second, other], [])
    await either.write([], [])
    page = await either.list_page("demo", "OP_1", None, 10)
    assert [one for _, one in page] == [second, first]
    assert [one for _, one in await either.list_page("demo", "OP_1", page[0][0], 10)] == [first]
    assert await either.list_page("demo", "OP_2", None, 10) == []


async def test_what_is_news_is_told_in_the_same_transaction(engine: AsyncEngine, store: PostgresEvaluations) -> None:
    one, quiet = evaluation(call=CALL), evaluation(1)
    await store.write([one, quiet], [one])
    async with transaction(engine) as connection:
        (row,) = (await connection.execute(text("SELECT subject, aggregate_id, version, payload FROM outbox"))).all()
    assert row.subject == subject("monitor", "position_evaluated", "demo")
    assert (row.aggregate_id, row.version) == ("evaluation:OP_1", int(NOW.timestamp() * 1000))
    told = events_pb2.PositionEvaluated.FromString(row.payload)
    assert (told.user_id, told.account_id) == ("demo", "account-1")
    said = told.evaluation
    assert said.evaluation_id == str(one.evaluation_id)
    assert (said.action, said.outcome) == (
        evaluations_pb2.ADVICE_ACTION_MOVE_STOP,
        evaluations_pb2.ADVICE_OUTCOME_ACTED,
    )
    assert (said.price, said.mark_price, said.sentiment, said.cost_usd) == ("64000.5", "66000", "-0.25", "0.0006")


async def test_a_process_remembers_what_others_did(either: Store) -> None:
    yesterday = evaluation(-86_400)
    acted = [evaluation(number) for number in range(3)]
    held = [
        evaluation(10 + number, outcome=Outcome.HELD, advice=Advice(Action.HOLD, str(number))) for number in range(6)
    ]
    await either.write([yesterday, *acted, *held], [])
    midnight = NOW.replace(hour=0)
    found = await either.remember(["OP_1", "OP_9"], midnight)
    assert set(found) == {"OP_1"}
    memory = found["OP_1"]
    assert [advice.reason for advice in memory.recent] == ["5", "4", "3", "2", "1"]
    assert memory.outcome is Outcome.HELD
    record = memory.record(NOW + timedelta(seconds=60))
    assert (record.acted_today, record.acted_at) == (3, NOW + timedelta(seconds=2))
    assert memory.record(NOW + timedelta(days=1)).acted_today == 0


async def test_what_is_old_is_forgotten(either: Store) -> None:
    await either.write([evaluation(-100), evaluation()], [])
    await either.prune(NOW - timedelta(seconds=50))
    assert len(await either.list_page("demo", "OP_1", None, 10)) == 1


async def test_no_more_is_promised_than_there_is_however_many_ask(either: Store) -> None:
    limits = {EVERYBODY: Decimal(5), "demo": Decimal(1)}
    answers = await asyncio.gather(*(either.reserve("demo", Decimal("0.3"), TODAY, limits) for _ in range(8)))
    assert sorted(answers) == ["", "", "", "user", "user", "user", "user", "user"]
    await either.settle("demo", Decimal("-0.2"), TODAY)
    await either.settle("demo", Decimal(0), TODAY)
    assert await either.spent("demo", TODAY) == await either.spent(EVERYBODY, TODAY) == Decimal("0.7")
    assert await either.reserve("demo", Decimal("0.3"), TODAY, limits) == ""
    crowd = {EVERYBODY: Decimal("1.2"), "another": Decimal(1)}
    assert await either.reserve("another", Decimal("0.3"), TODAY, crowd) == "everybody"
    assert await either.spent("another", TODAY) == 0
    assert await either.reserve("another", Decimal("0.3"), TODAY + timedelta(days=1), crowd) == ""


class Owners:
    """Whose positions there are."""

    async def get_position(self, position_id: str, user_id: str | None = None) -> object:
        if (position_id, user_id) not in {("OP_1", "demo"), ("OP_2", "another")}:
            raise PositionNotFound(position_id=position_id)
        return object()


MOOD = Mood(
    Decimal("0.25"), (SourceScore("reddit", Decimal("0.25"), 12, Decimal("0.7"), NOW),), {"polymarket": "HTTP 503"}
)
Call = Callable[..., Any]


async def test_a_mode_is_kept_for_each_user(either: Store) -> None:
    await either.set_mode("demo", Mode.OFF, NOW)
    await either.set_mode("another", Mode.ADVISE, NOW)
    await either.set_mode("demo", Mode.ACT, NOW)
    assert await either.modes() == {"demo": Mode.ACT, "another": Mode.ADVISE}


@pytest.fixture
async def call(
    store: PostgresEvaluations, settings: MonitorSettings, certificates: Mapping[str, CertificateFiles]
) -> AsyncIterator[Call]:
    """Calls a method as a service, by default as the gateway."""
    clock = FixedClock(NOW)
    modes = Modes(store, clock, Mode.ACT)
    moods = {"BTCUSDT": MOOD}
    rpc = EvaluationsRpc(store, Owners(), modes, moods.get, clock, budget=Decimal(1), model="a-model")
    instruments = Instruments(CollectorRegistry())
    server = GrpcServer(settings, [registration(rpc)], ACCESS, HealthRegistry(), instruments)
    _, port = await server.start()

    async def call(method: str, request: Any, caller: str = "gateway") -> Any:
        own = certificates[caller]
        channel_settings = CallerSettings(own.certificate, own.key, own.authority)
        channel = open_channel(channel_settings, f"ipv4:127.0.0.1:{port}", "monitor", Instruments(CollectorRegistry()))
        async with channel:
            return await getattr(EvaluationsServiceStub(channel), method)(request)

    yield call
    await server.drain(0)


def listing(user_id: str, position_id: str, **more: Any) -> evaluations_pb2.ListEvaluationsRequest:
    return evaluations_pb2.ListEvaluationsRequest(user_id=user_id, position_id=position_id, **more)


async def test_evaluations_are_listed_page_by_page(store: PostgresEvaluations, call: Call) -> None:
    await store.write([evaluation(number) for number in range(5)], [])
    seen, token = [], ""
    for size in (2, 2, 1):
        page = await call("ListEvaluations", listing("demo", "OP_1", page_size=2, page_token=token))
        assert len(page.evaluations) == size
        seen += [one.evaluated_at.seconds for one in page.evaluations]
        token = page.next_page_token
    assert token == ""
    assert seen == sorted(seen, reverse=True)


async def test_another_users_position_is_not_found(store: PostgresEvaluations, call: Call) -> None:
    await store.write([evaluation()], [])
    for user_id, position_id in (("another", "OP_1"), ("demo", "OP_2"), ("demo", "OP_9")):
        with pytest.raises(PositionNotFound):
            await call("ListEvaluations", listing(user_id, position_id))


@pytest.mark.parametrize(
    "request_",
    [
        listing("", "OP_1"),
        listing("demo", ""),
        listing("demo", "OP_1", page_size=-1),
        listing("demo", "OP_1", page_token="x"),
        listing("demo", "OP_1", page_token="9" * 30),
        listing("demo", "x" * 300),
    ],
)
async def test_a_listing_that_cannot_be_understood(request_: Any, call: Call) -> None:
    with pytest.raises(FieldInvalid):
        await call("ListEvaluations", request_)


async def test_each_user_says_how_far_the_advisor_may_go(store: PostgresEvaluations, call: Call) -> None:
    def get(user_id: str) -> evaluations_pb2.GetAdvisorSettingsRequest:
        return evaluations_pb2.GetAdvisorSettingsRequest(user_id=user_id)

    unset = (await call("GetAdvisorSettings", get("demo"))).settings
    assert (unset.mode, unset.cost_today_usd, unset.budget_today_usd, unset.model) == (
        evaluations_pb2.ADVISOR_MODE_ACT,
        "0",
        "1",
        "a-model",
    )
    request = evaluations_pb2.SetAdvisorSettingsRequest(
        user_id="demo", mode=evaluations_pb2.ADVISOR_MODE_OFF, request_id="r1"
    )
    for _ in range(2):
        changed = (await call("SetAdvisorSettings", request)).settings
        assert changed.mode == evaluations_pb2.ADVISOR_MODE_OFF
    assert (await call("GetAdvisorSettings", get("demo"))).settings.mode == evaluations_pb2.ADVISOR_MODE_OFF
    assert (await call("GetAdvisorSettings", get("another"))).settings.mode == evaluations_pb2.ADVISOR_MODE_ACT
    assert await store.modes() == {"demo": Mode.OFF}
    request.mode = evaluations_pb2.ADVISOR_MODE_UNSPECIFIED
    with pytest.raises(FieldInvalid):
        await call("SetAdvisorSettings", request)
    with pytest.raises(FieldInvalid):
        await call("GetAdvisorSettings", get(""))


async def test_sentiment_names_its_sources_and_those_that_are_missing(call: Call) -> None:
    answer = await call("GetSentiment", evaluations_pb2.GetSentimentRequest(symbol="BTCUSDT"))
    (source,) = answer.sentiment.sources
    assert (answer.sentiment.score, source.name, source.score, source.count) == ("0.25", "reddit", "0.25", 12)
    assert source.read_at.seconds == int(NOW.timestamp())
    assert dict(answer.sentiment.missing) == {"polymarket": "HTTP 503"}
    silent = await call("GetSentiment", evaluations_pb2.GetSentimentRequest(symbol="ETHUSDT"))
    assert not silent.HasField("sentiment")
    with pytest.raises(FieldInvalid):
        await call("GetSentiment", evaluations_pb2.GetSentimentRequest())


@pytest.mark.parametrize("caller", ["positions", "reconciler", "monitor", "operator"])
async def test_only_the_gateway_may_call(caller: str, call: Call) -> None:
    with pytest.raises(CallerRefused):
        await call("ListEvaluations", listing("demo", "OP_1"), caller)
    with pytest.raises(CallerRefused):
        await call("SetAdvisorSettings", evaluations_pb2.SetAdvisorSettingsRequest(user_id="demo"), caller)


METHODS = list(evaluations_pb2.DESCRIPTOR.services_by_name["EvaluationsService"].methods)
PLAUSIBLE = {"user_id": ["demo"], "position_id": ["OP_1"], "symbol": ["BTCUSDT"], "page_token": ["1"]}


@pytest.mark.parametrize("method", METHODS, ids=lambda method: str(method.name))
@given(data=st.data())
@property_settings(deadline=None, max_examples=25, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
async def test_no_request_is_an_internal_error(method: Any, data: st.DataObject, call: Call) -> None:
    try:
        await call(method.name, data.draw(requests_of(method.input_type, PLAUSIBLE)))
    except DomainError as error:
        assert error.reason in ("FIELD_INVALID", "POSITION_NOT_FOUND")  # noqa: PT017 - most are answered
