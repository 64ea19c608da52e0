"""Asks a model, and lets the rules answer wherever that does not come to a valid answer.

Invariants: no more is asked than the day's budgets allow, for which the most that an answer can cost is set aside
before; a model that keeps failing is left alone for a while; an answer from the rules in its place says why.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Protocol

import structlog

from services.common.clock import Clock
from services.common.errors import DomainError
from services.monitor.domain.evaluation import rules
from services.monitor.domain.evaluation.advice import Advice
from services.monitor.domain.evaluation.breaker import Breaker
from services.monitor.domain.evaluation.evaluation import LLM, RULES, ModelCall
from services.monitor.domain.evaluation.situation import Situation
from services.monitor.evaluation.answer import NoAnswer, parse_answer
from services.monitor.evaluation.prompt import digest, write_prompt
from services.monitor.evaluation.store import EVERYBODY

_log = structlog.get_logger(__name__)

_MILLION = Decimal(1_000_000)
_BYTES_OF_A_TOKEN = 2
"""Fewer than there are, so that what is set aside is enough."""


@dataclass(frozen=True, slots=True)
class Completion:
    """What an endpoint answered; tokens are None where it does not count them."""

    content: str
    refused: bool
    cut_off: bool
    input_tokens: int | None
    output_tokens: int | None


class EndpointFailed(Exception):
    """An endpoint did not answer; the message says why. `may_cost`: it may have worked all the same."""

    def __init__(self, why: str, *, may_cost: bool = False) -> None:
        super().__init__(why)
        self.may_cost = may_cost


class Endpoint(Protocol):
    """Where a model is asked."""

    async def complete(self, system: str, user: str) -> Completion:
        """Raises EndpointFailed."""
        ...


class Spending(Protocol):
    """The budgets of a day. All raise DomainError."""

    async def reserve(self, user_id: str, amount: Decimal, day: date, limits: dict[str, Decimal]) -> str: ...

    async def settle(self, user_id: str, difference: Decimal, day: date) -> None: ...


@dataclass(frozen=True, slots=True)
class Terms:
    """What a model is, costs and may take. Prices in US dollars for a token, budgets in US dollars a day."""

    model: str
    input_price: Decimal
    output_price: Decimal
    max_tokens: int
    timeout_seconds: float
    daily_budget: Decimal
    user_daily_budget: Decimal


@dataclass(frozen=True, slots=True)
class Answer:
    """An advice and who gave it."""

    advice: Advice
    advisor: str
    fallback_reason: str = ""
    call: ModelCall | None = None


class Advisor(Protocol):
    """Who answers about a situation. It never fails: some answer there always is."""

    async def advise(self, situation: Situation) -> Answer: ...


def advise_by_rules(situation: Situation, fallback_reason: str = "", call: ModelCall | None = None) -> Answer:
    """The answer of the rules."""
    return Answer(rules.advise(situation), RULES, fallback_reason, call)


class _Failed(Exception):
    def __init__(self, why: str, call: ModelCall | None = None) -> None:
        super().__init__(why)
        self.call = call


class ModelAdvisor:
    """An Advisor. `on_call` hears what became of each call and what it cost, US dollars."""

    def __init__(
        self,
        endpoint: Endpoint,
        terms: Terms,
        spending: Spending,
        breaker: Breaker,
        clock: Clock,
        on_call: Callable[[str, Decimal], None] = lambda _outcome, _cost: None,
    ) -> None:
        self._endpoint = endpoint
        self._terms = terms
        self._spending = spending
        self._breaker = breaker
        self._clock = clock
        self._on_call = on_call

    async def advise(self, situation: Situation) -> Answer:
        """The model's answer, or that of the rules and why."""
        if not self._breaker.admit(self._clock.now()):
            self._on_call("breaker_open", Decimal(0))
            return advise_by_rules(situation, "the model has failed too often: it is left alone for a while")
        try:
            return await self._ask(situation)
        except _Failed as failed:
            return advise_by_rules(situation, str(failed), failed.call)
        except BaseException:
            # Whatever it is, the attempt is over: else nobody would ever be let through again.
            self._breaker.dropped()
            raise

    async def _ask(self, situation: Situation) -> Answer:
        system, user = write_prompt(situation)
        user_id, day = situation.subject.position.user_id, self._clock.now().date()
        tokens = len(system + user) // _BYTES_OF_A_TOKEN
        promised = self._cost(tokens, self._terms.max_tokens)
        await self._reserve(user_id, promised, day)
        begun = time.monotonic()
        cost = promised
        try:
            async with asyncio.timeout(self._terms.timeout_seconds):
                completion = await self._endpoint.complete(system, user)
            given, taken = completion.input_tokens, completion.output_tokens
            if given is not None and taken is not None:
                cost = self._cost(given, taken)
            call = ModelCall(
                model=self._terms.model,
                prompt_hash=digest(system, user),
                answer_hash=digest(completion.content),
                latency_milliseconds=int((time.monotonic() - begun) * 1000),
                input_tokens=given or 0,
                output_tokens=taken or 0,
                cost_usd=cost,
            )
            return self._judge(completion, call)
        except (TimeoutError, EndpointFailed) as error:
            why = "it did not answer in time" if isinstance(error, TimeoutError) else str(error)
            if isinstance(error, EndpointFailed) and not error.may_cost:
                cost = Decimal(0)
            self._breaker.failed(self._clock.now())
            self._on_call("failed", cost)
            raise _Failed(f"the model failed: {why}") from None
        finally:
            await self._settle(user_id, cost - promised, day)

    def _judge(self, completion: Completion, call: ModelCall) -> Answer:
        problem = ""
        if completion.refused:
            problem = "it refused to answer"
        elif completion.cut_off:
            problem = "its answer was cut off"
        else:
            try:
                advice = parse_answer(completion.content)
            except NoAnswer as error:
                problem = str(error)
            else:
                self._breaker.succeeded()
                self._on_call("answered", call.cost_usd)
                return Answer(advice, LLM, call=call)
        self._breaker.failed(self._clock.now())
        self._on_call("no_answer", call.cost_usd)
        raise _Failed(f"the model gave no valid answer: {problem}", call)

    async def _reserve(self, user_id: str, amount: Decimal, day: date) -> None:
        limits = {EVERYBODY: self._terms.daily_budget, user_id: self._terms.user_daily_budget}
        try:
            exhausted = await self._spending.reserve(user_id, amount, day, limits) if amount else ""
        except DomainError as error:
            self._breaker.dropped()
            raise _Failed(f"its budget is not known now: {error.reason}") from None
        if exhausted:
            self._breaker.dropped()
            self._on_call("no_budget", Decimal(0))
            whose = "the user's" if exhausted == "user" else "the"
            raise _Failed(f"{whose} budget of the day is used up")

    async def _settle(self, user_id: str, difference: Decimal, day: date) -> None:
        if not difference:
            return
        try:
            await self._spending.settle(user_id, difference, day)
        except DomainError as error:
            _log.warning("spending not settled", user_id=user_id, reason=error.reason)

    def _cost(self, input_tokens: int, output_tokens: int) -> Decimal:
        return input_tokens * self._terms.input_price + output_tokens * self._terms.output_price


def price_of_token(usd_per_million: Decimal) -> Decimal:
    """US dollars for one token."""
    return usd_per_million / _MILLION
