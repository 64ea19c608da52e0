"""Wires the room of evaluation and that of sentiment."""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from services.common.bus import Bus
from services.common.channels import ServiceChannel
from services.common.clock import Clock
from services.common.errors import DomainError
from services.common.exchange.reader import VenueReader
from services.common.process import Process, Work
from services.common.server import Registration
from services.common.trading.side import Venue
from services.monitor.carrying.work import Claims
from services.monitor.clients.advising import AdvisedBooks
from services.monitor.clients.positions import PositionsBooks
from services.monitor.closing.manual import Closes
from services.monitor.config import MonitorSettings
from services.monitor.domain.evaluation.advice import Mode
from services.monitor.domain.evaluation.breaker import Breaker
from services.monitor.domain.evaluation.guardrails import Limits
from services.monitor.domain.evaluation.situation import Subject
from services.monitor.domain.evaluation.subjects import Subjects
from services.monitor.domain.position import Instrument
from services.monitor.domain.price_check import Price
from services.monitor.domain.triggers.index import BookIndex
from services.monitor.evaluation.acting import Acting
from services.monitor.evaluation.following import SubjectFollower
from services.monitor.evaluation.interest import Interest
from services.monitor.evaluation.liquidations import Liquidations
from services.monitor.evaluation.looking import Looking, Policy, Senses
from services.monitor.evaluation.market import Funding, Markets
from services.monitor.evaluation.metrics import EvaluationMetrics
from services.monitor.evaluation.model import Advisor, ModelAdvisor, Terms, price_of_token
from services.monitor.evaluation.modes import Modes
from services.monitor.evaluation.rounds import Rounds
from services.monitor.evaluation.store import PostgresEvaluations
from services.monitor.evaluation.writing import EvaluationWriter, Listener
from services.monitor.events.evaluations import POSITIONS, SubjectFacts
from services.monitor.rpc.evaluations import FULL_NAME, EvaluationsRpc, registration
from services.monitor.sentiment.room import open_sources
from services.monitor.sentiment.watch import SentimentWatch

_log = structlog.get_logger(__name__)

_PRUNE_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the monitor has already."""

    engine: AsyncEngine
    bus: Bus
    notify: Callable[[], None]
    clock: Clock
    positions: ServiceChannel
    reader: VenueReader
    funding: Funding
    closes: Closes
    claims: Claims
    index: BookIndex
    last_price: Callable[[Instrument], Price | None]
    on_symbols: Callable[[dict[Venue, frozenset[str]]], None] = lambda _: None


def start(
    process: Process, settings: MonitorSettings, around: Surroundings, on_evaluated: Collection[Listener] = ()
) -> Registration:
    """Start looking at positions; what is to be served. `on_evaluated` hears of evaluations that are news."""
    clock, books = around.clock, AdvisedBooks(around.positions)
    metrics = EvaluationMetrics(process.instruments.registry)
    store = PostgresEvaluations(around.engine)
    modes = Modes(store, clock, Mode(settings.advisor_default_mode))
    subjects = Subjects()
    markets = Markets(
        around.reader,
        around.funding,
        around.last_price,
        clock,
        candle_minutes=settings.evaluation_candle_minutes,
        price_seconds=settings.evaluation_seconds,
    )
    interest = Interest(subjects, around.claims, modes.of, markets, around.on_symbols)
    liquidations = Liquidations(
        books, lambda: interest.users, clock, interval_seconds=settings.evaluation_liquidation_seconds
    )
    live = settings.exchange_mode == "live"
    sentiment = SentimentWatch(
        open_sources(process, settings, live=live),
        interest.assets,
        clock,
        interval_seconds=settings.sentiment_seconds,
        on_read=metrics.source_read,
    )
    writer = EvaluationWriter(store, around.notify, on_evaluated)
    looking = Looking(
        Senses(
            subject=subjects.get,
            conditions=lambda position: markets.conditions(position.venue, position.symbol),
            liquidation=lambda position: liquidations.price(position.user_id, position.position_id),
            mood=lambda position: sentiment.mood(position.symbol),
            watermark=around.index.watermark,
            mode=modes.of,
        ),
        store,
        Acting(books, around.closes, around.claims, clock, wait_seconds=settings.close_wait_seconds),
        writer,
        metrics,
        clock,
        Policy(
            limits=Limits(
                settings.ai_close_confidence,
                timedelta(seconds=settings.ai_cool_down_seconds),
                settings.ai_daily_actions,
            ),
            forced_after=timedelta(seconds=settings.evaluation_forced_seconds),
            in_flight=settings.evaluations_in_flight,
        ),
        _open_model(process, settings, store, clock, metrics),
    )
    process.on_drain(looking.drain, "evaluations")
    rounds = Rounds(
        subjects,
        looking,
        around.claims,
        metrics,
        clock,
        interval=timedelta(seconds=settings.evaluation_seconds),
        ready=lambda: modes.loaded,
    )

    def opened(subject: Subject) -> None:
        rounds.opened(subject)
        liquidations.stale(subject.position.user_id)

    follower = SubjectFollower(books, subjects, opened, rounds.gone, relist_seconds=settings.relist_seconds)
    facts = around.bus.follow(POSITIONS, SubjectFacts(follower.apply), on_gap=follower.relist)
    work: dict[str, Work] = {
        "evaluated facts": facts.run,
        "evaluated positions": partial(follower.run, facts.started),
        "modes": modes.run,
        "interest": interest.run,
        "markets": markets.run,
        "liquidations": liquidations.run,
        "sentiment": sentiment.run,
        "evaluations": rounds.run,
        "written evaluations": writer.run,
        "pruned evaluations": partial(_prune, store, clock, timedelta(days=settings.evaluations_kept_days)),
    }
    for name, begin in work.items():
        process.attend(name, begin)
    process.health.declare(FULL_NAME, readiness=False)
    process.health.set(FULL_NAME, True)
    return registration(
        EvaluationsRpc(
            store,
            PositionsBooks(around.positions),
            modes,
            sentiment.mood,
            clock,
            budget=settings.llm_user_daily_budget_usd,
            model=settings.llm_model if settings.llm_base_url else "",
        )
    )


def _open_model(
    process: Process, settings: MonitorSettings, store: PostgresEvaluations, clock: Clock, metrics: EvaluationMetrics
) -> Advisor | None:
    if settings.llm_base_url is None:
        return None
    # Only who asks a model pays for loading its client.
    from services.monitor.evaluation.endpoint import OpenAiEndpoint  # noqa: PLC0415

    endpoint = OpenAiEndpoint(settings)
    process.on_drain(endpoint.close, "model")
    terms = Terms(
        model=settings.llm_model,
        input_price=price_of_token(settings.llm_input_usd_per_million),
        output_price=price_of_token(settings.llm_output_usd_per_million),
        max_tokens=settings.llm_max_tokens,
        timeout_seconds=settings.llm_timeout_seconds,
        daily_budget=settings.llm_daily_budget_usd,
        user_daily_budget=settings.llm_user_daily_budget_usd,
    )
    breaker = Breaker(settings.llm_breaker_failures, timedelta(seconds=settings.llm_breaker_seconds))
    return ModelAdvisor(endpoint, terms, store, breaker, clock, metrics.called)


async def _prune(store: PostgresEvaluations, clock: Clock, kept: timedelta) -> None:
    """Forget what is old."""
    while True:
        try:
            await store.prune(clock.now() - kept)
        except DomainError as error:
            _log.info("evaluations not pruned", reason=error.reason)
        await asyncio.sleep(_PRUNE_SECONDS)
