"""What looking at positions costs: `python -m tests.bench.evaluation [positions]`.

A round is every position evaluated once: 10 000 of them on 50 symbols whose prices have all moved, by the rules, their
rows and events written to a throwaway Postgres. Beside it a quiet round, in which nothing has changed, and what the
round would cost if each position measured its market by itself. Then 200 questions to a model at once, against a stub
on this machine, and how well sentiment is told. Times are this process's own CPU time, the stub's included.
"""

import asyncio
import resource
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from deploy.local.certificates import issue_certificates
from deploy.local.database import SERVICES, prepare_database
from services.common.database import create_engine, transaction
from services.common.migration import migrate_schema
from services.common.trading.level import Level, LevelRules, NoLevel, Trailing
from services.common.trading.partition import PARTITIONS
from services.common.trading.side import PositionSide, Side, Venue
from services.monitor.config import MonitorSettings
from services.monitor.domain.evaluation.advice import Advice, Mode
from services.monitor.domain.evaluation.breaker import Breaker
from services.monitor.domain.evaluation.measures import Bar, measure
from services.monitor.domain.evaluation.situation import Conditions, Subject
from services.monitor.domain.evaluation.subjects import Subjects
from services.monitor.domain.intent import Claim
from services.monitor.domain.position import Position
from services.monitor.domain.sentiment.mood import Mood, SourceScore
from services.monitor.evaluation.acting import Acting
from services.monitor.evaluation.config import EvaluationSettings
from services.monitor.evaluation.endpoint import OpenAiEndpoint
from services.monitor.evaluation.looking import Looking, Policy, Senses
from services.monitor.evaluation.market import BARS
from services.monitor.evaluation.metrics import EvaluationMetrics
from services.monitor.evaluation.model import Advisor, ModelAdvisor, Terms
from services.monitor.evaluation.rounds import Rounds
from services.monitor.evaluation.store import PostgresEvaluations
from services.monitor.evaluation.writing import EvaluationWriter
from services.monitor.sentiment.scoring import Scorer
from services.monitor.store import EVALUATIONS
from tests.fakes.clock import FixedClock
from tests.fakes.llm import advice, running_llm, say
from tests.servers import reachable_directory, throwaway_postgres
from tests.unit.monitor.sentiment.labelled import Quality, read_labelled
from tests.unit.monitor.sentiment.labelled import measure as measure_quality

SYMBOLS = 50
INTERVAL = timedelta(seconds=30)
IN_FLIGHT = 200
ASKED = 500
HALF_A_CORE = 15.0
MEMORY_MB = 60.0
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Claims:
    """All partitions are held here."""

    def __init__(self) -> None:
        self._held = {number: Claim("bench", number, 1) for number in range(PARTITIONS)}

    def claims(self) -> Mapping[int, Claim]:
        return self._held


class Levels:
    """Moves nothing, so that what is measured is the looking."""

    def __init__(self) -> None:
        self.moved = 0

    async def set_floor(self, position: Position, price: Decimal, reason: str, request_id: str) -> None:
        self.moved += 1

    async def pin(self, position: Position, kind: Any, price: Decimal, reason: str, request_id: str) -> None:
        self.moved += 1

    async def advise(self, position: Position, advice: Advice | None, request_id: str) -> None:
        self.moved += 1


class NoCloses:
    """Nothing here is closed."""

    async def close(self, decision: Any) -> Any:
        raise AssertionError("nothing here is closed")

    async def wait(self, closing_id: Any, *, until_over: bool = False) -> Any:
        raise AssertionError("nothing here is closed")


def market_of(symbol: int, step: int) -> Conditions:
    """A market of 60 bars that goes up and down, at its step."""
    return Conditions(price_of(symbol, step), NOW, measure(bars_of(symbol, step)), Decimal("0.0001"), Decimal("0.01"))


def bars_of(symbol: int, step: int) -> list[Bar]:
    closes = [price_of(symbol, step - BARS + number) for number in range(BARS)]
    return [Bar(close + 1, close - 1, close) for close in closes]


def price_of(symbol: int, step: int) -> Decimal:
    return Decimal(1000 + symbol) + Decimal((step * 7 + symbol) % 11)


def positions(size: int, name: str) -> Iterable[Subject]:
    for number in range(size):
        side = Side.LONG if number % 2 else Side.SHORT
        price = price_of(number % SYMBOLS, 0)
        stop = Level(Trailing(Decimal("0.05")), NOW, price)
        yield Subject(
            Position(
                position_id=f"OP_{name}_{number}",
                user_id=f"user-{number % 1000}",
                account_id=f"account-{number % 1000}",
                venue=Venue.BINANCE,
                symbol=f"S{number % SYMBOLS}USDT",
                position_side=PositionSide.BOTH,
                side=side,
                quantity=Decimal(1),
                levels=LevelRules(stop, Level(NoLevel())),
                version=1,
                is_open=True,
                opened_at=NOW,
                entry_price=price,
            ),
            managed=True,
        )


class Bench:
    """A replica's second loop over a real Postgres."""

    def __init__(self, engine: AsyncEngine, size: int, model: Advisor | None = None) -> None:
        self.clock = FixedClock(NOW)
        self.subjects = Subjects()
        self.markets: dict[str, Conditions] = {}
        self.measured = 0
        store = PostgresEvaluations(engine)
        self.writer = EvaluationWriter(store, lambda: None)
        metrics = EvaluationMetrics(CollectorRegistry())
        acting = Acting(Levels(), NoCloses(), Claims(), self.clock, wait_seconds=1)
        mood = Mood(Decimal("0.1"), (SourceScore("reddit", Decimal("0.1"), 9, Decimal("0.6"), NOW, ("a post",)),))
        senses = Senses(
            subject=self.subjects.get,
            conditions=lambda position: self.markets[position.symbol],
            liquidation=lambda _: None,
            mood=lambda _: mood,
            watermark=lambda _: None,
            mode=lambda _: Mode.ACT,
        )
        self.looking = Looking(
            senses, store, acting, self.writer, metrics, self.clock, Policy(in_flight=IN_FLIGHT), model
        )
        self.rounds = Rounds(self.subjects, self.looking, Claims(), metrics, self.clock, interval=INTERVAL)
        for subject in positions(size, "rules" if model is None else "model"):
            self.subjects.apply(subject)
            self.rounds.opened(subject)
        self.move(0)

    def move(self, step: int) -> None:
        """Every market moves, and is measured once."""
        self.markets = {f"S{symbol}USDT": market_of(symbol, step) for symbol in range(SYMBOLS)}
        self.measured += SYMBOLS

    async def round(self, *, moving: bool, step: int) -> float:
        """An interval goes by; the CPU seconds that it took."""
        begun = time.process_time()
        for second in range(int(INTERVAL.total_seconds() * 1.2) + 1):
            if moving and second % 10 == 0:
                self.move(step + second)
            self.clock.advance(1)
            while await self.rounds.turn():
                pass
            await self.writer.flush()
        await self.looking.settle()
        await self.writer.flush()
        return time.process_time() - begun


@dataclass(frozen=True)
class Figure:
    """A measured figure beside its target."""

    name: str
    value: float
    target: float
    unit: str
    at_least: bool = False

    @property
    def met(self) -> bool:
        return self.value >= self.target if self.at_least else self.value <= self.target

    def __str__(self) -> str:
        sign = ">=" if self.at_least else "<="
        mark = "ok  " if self.met else "MISS"
        return f"{mark} {self.name:58} {self.value:10.3f} {self.unit:14} target {sign} {self.target:g}"


async def count(engine: AsyncEngine) -> int:
    """How many evaluations are kept."""
    async with transaction(engine) as connection:
        return (await connection.execute(select(func.count()).select_from(EVALUATIONS))).scalar_one()


async def by_rules(engine: AsyncEngine, size: int) -> list[Figure]:
    bench = Bench(engine, size)
    await bench.round(moving=True, step=100)
    before = await count(engine)
    busy = await bench.round(moving=True, step=200)
    evaluated = await count(engine) - before
    await bench.round(moving=False, step=0)
    before = await count(engine)
    quiet = await bench.round(moving=False, step=0)
    still = await count(engine) - before
    begun = time.process_time()
    sample = 200
    for number in range(sample):
        measure(bars_of(number % SYMBOLS, 300))
    naive = busy + (time.process_time() - begun) / sample * size
    print(  # noqa: T201
        f"     {size} positions on {SYMBOLS} symbols, a round of {INTERVAL.total_seconds():g} s and its jitter:"
        f" {evaluated} evaluations while markets move, {still} while they do not"
    )
    print(f"     naive, each position measuring its own market: {naive:.2f} CPU s a round")  # noqa: T201
    scale = size / 10_000
    return [
        Figure(
            "evaluations of a round, which jitter makes a little longer",
            evaluated,
            size * 0.9,
            "evaluations",
            at_least=True,
        ),
        Figure("a round in which every market moves", busy, HALF_A_CORE * scale, "CPU s"),
        Figure("... of one core", busy / INTERVAL.total_seconds() * 100, 50 * scale, "%"),
        Figure("a round in which nothing changes", quiet, HALF_A_CORE * scale / 3, "CPU s"),
    ]


async def by_model(engine: AsyncEngine) -> list[Figure]:
    async with running_llm() as stub:
        held = asyncio.Event()

        async def slow(_: Any) -> web.StreamResponse:
            if stub.open >= IN_FLIGHT:
                held.set()
            await held.wait()
            return say(advice("HOLD"))

        stub.reply = slow
        endpoint = OpenAiEndpoint(EvaluationSettings(llm_base_url=stub.url, llm_retries=0, llm_timeout_seconds=60))
        terms = Terms("stub", Decimal("0.000001"), Decimal("0.000004"), 300, 60.0, Decimal(1000), Decimal(1000))
        model = ModelAdvisor(
            endpoint, terms, PostgresEvaluations(engine), Breaker(5, timedelta(seconds=60)), FixedClock(NOW)
        )
        bench = Bench(engine, ASKED, model)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        cpu = time.process_time()
        bench.clock.advance(INTERVAL.total_seconds() * 1.2)
        while await bench.rounds.turn():
            pass
        await bench.looking.settle()
        await bench.writer.flush()
        for step in (1,):
            bench.move(step * 3)
            bench.clock.advance(INTERVAL.total_seconds() * 1.2)
            while await bench.rounds.turn():
                pass
            await bench.looking.settle()
            await bench.writer.flush()
        cpu = time.process_time() - cpu
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        store = PostgresEvaluations(engine)
        disordered = 0
        answered = 0
        for subject in bench.subjects.all():
            position = subject.position
            rows = [one for _, one in await store.list_page(position.user_id, position.position_id, None, 10)]
            asked = [one for one in rows if one.advisor == "llm"]
            answered += len(asked)
            times = [one.evaluated_at for one in rows]
            disordered += times != sorted(times, reverse=True)
        await endpoint.close()
        print(f"     {len(stub.requests)} questions to a model, at most {stub.most_open} at once")  # noqa: T201
        return [
            Figure("questions under way at once", stub.most_open, IN_FLIGHT, "at once"),
            Figure("... and that many there were", stub.most_open, IN_FLIGHT, "at once", at_least=True),
            Figure("questions that the model answered", answered, len(stub.requests), "answers", at_least=True),
            Figure("positions whose evaluations are out of order", disordered, 0, "positions"),
            Figure("memory that they took", (after - before) / 1024, MEMORY_MB, "MB"),
            Figure("CPU of a question, the stub's included", cpu / len(stub.requests) * 1000, 20, "ms"),
        ]


def of_sentiment() -> list[Figure]:
    held_out = [row for row in read_labelled() if row.held_out]
    ours, plain = measure_quality(Scorer().score, held_out), measure_quality(Scorer({}, {}).score, held_out)
    print(f"     {len(held_out)} posts that were held out; precision and recall, plain VADER's in brackets")  # noqa: T201
    for label, quality in ours[1].items():
        beside: Quality = plain[1][label]
        precision = f"{quality.precision:.2f} ({beside.precision:.2f})"
        print(f"     {label:9} {precision}  {quality.recall:.2f} ({beside.recall:.2f})")  # noqa: T201
    scorer, texts = Scorer(), [row.text for row in held_out]
    begun = time.process_time()
    for text in texts:
        scorer.score(text)
    each = (time.process_time() - begun) / len(texts) * 1000
    return [
        Figure("called right", ours[0], plain[0], "share", at_least=True),
        Figure("CPU of scoring a post", each, 5, "ms"),
    ]


async def main() -> int:
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with reachable_directory() as directory:
        async with throwaway_postgres(directory) as admin:
            urls = await prepare_database(admin, dict.fromkeys(SERVICES, "bench"), name="bench")
            own = issue_certificates(directory / "certificates", datetime.now(UTC))["monitor"]
            settings = MonitorSettings(
                database_url=urls["monitor"],
                nats_url="nats://127.0.0.1:4222",
                admin_listen="127.0.0.1:0",
                grpc_listen="127.0.0.1:0",
                positions_target="ipv4:127.0.0.1:1",
                tls_cert_file=own.certificate,
                tls_key_file=own.key,
                tls_ca_file=own.authority,
            )
            await migrate_schema(settings, "services.monitor")
            engine = create_engine(settings.database_url, settings.service)
            figures = [*await by_rules(engine, size), *await by_model(engine), *of_sentiment()]
            await engine.dispose()
    for figure in figures:
        print(figure)  # noqa: T201
    return 0 if all(figure.met for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
