"""Every write goes through here: bounded body, audit log, idempotency key, one answer.

Invariants: a write is in the audit log before anything is asked of another service; no transaction is open while
another service is asked; an answer that may be given again is stored before it is given, and one whose outcome is not
known never is.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol, TypeVar
from uuid import uuid4

import structlog
from starlette.requests import Request
from starlette.responses import Response

from services.common.clock import Clock
from services.common.errors import DatabaseUnavailable, DomainError, FieldInvalid
from services.gateway.domain.idempotency import Answer, Attempt, Proceed, Replay
from services.gateway.http.body import read_body
from services.gateway.http.errors import answer_error
from services.gateway.http.identity import Caller
from services.gateway.http.json import Body, Document, encode, respond_raw

_log = structlog.get_logger(__name__)

KEY_HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotency-Replayed"
_KEY = re.compile(r"[\x21-\x7e]{1,128}")

T = TypeVar("T", bound=Body)
Details = dict[str, str | bool | None]


class WriteLog(Protocol):
    """Remembers writes: the audit log and the idempotency keys."""

    async def begin(self, attempt: Attempt) -> Proceed | Replay:
        """Record an attempt, and claim its key if it has one.

        Raises IdempotencyKeyReused, IdempotencyKeyInUse, DatabaseUnavailable.
        """
        ...

    async def finish(self, attempt: Attempt, answer: Answer, code: str | None) -> None:
        """Record how it ended, and keep the answer under its key if it is final. Raises DatabaseUnavailable."""
        ...


@dataclass(frozen=True, slots=True)
class Action:
    """What a write is called in the audit log, and what it is done to."""

    name: str
    target: str | None = None


class Writes:
    """Carries out the writes of all routes."""

    def __init__(self, log: WriteLog, clock: Clock) -> None:
        self._log = log
        self._clock = clock

    async def perform(
        self,
        request: Request,
        caller: Caller,
        action: Action,
        kind: type[T],
        command: Callable[[T, str], Awaitable[Document]],
        details: Callable[[T], Details] = lambda _: {},
        *,
        keeps_answer: bool = True,
    ) -> Response:
        """Read a body of `kind`, run `command(body, request id)` once per Idempotency-Key, and answer.

        `details` says what of the body goes into the audit log; never a secret. It may refuse the body (FieldInvalid).
        `keeps_answer` is False where the answer holds a secret: a repetition then runs the command again.
        """
        body = await read_body(request, kind)
        attempt = Attempt(
            attempt_id=str(uuid4()),
            request_id=str(uuid4()),
            user_id=caller.user_id,
            role=caller.role,
            action=action.name,
            target=action.target,
            key=_idempotency_key(request),
            fingerprint=_fingerprint(request, body),
            at=self._clock.now(),
            details=details(body),
        )
        verdict = await self._log.begin(attempt)
        if isinstance(verdict, Replay):
            return respond_raw(verdict.answer.body, verdict.answer.status, {REPLAYED_HEADER: "true"})
        return await self._run(attempt, lambda: command(body, verdict.request_id), keeps_answer)

    async def _run(self, attempt: Attempt, command: Callable[[], Awaitable[Document]], keeps: bool) -> Response:
        code = None
        try:
            response = respond_raw(encode(await command()), 200)
        except DomainError as error:
            code = error.reason
            response = answer_error(error)
        except Exception:
            # Whether it took effect is not known: let go of the key, so that the same request can be sent again.
            await self._finish(attempt, Answer(500, b""), "INTERNAL")
            raise
        await self._finish(attempt, Answer(response.status_code, bytes(response.body), keeps), code)
        return response

    async def _finish(self, attempt: Attempt, answer: Answer, code: str | None) -> None:
        try:
            await self._log.finish(attempt, answer, code)
        except DatabaseUnavailable:
            # The write has had its effect: its answer is the truth, and a retry is known by its request id.
            _log.error("the outcome of a write was not recorded", action=attempt.action, attempt=attempt.attempt_id)


def _idempotency_key(request: Request) -> str | None:
    key = request.headers.get(KEY_HEADER)
    if key is not None and not _KEY.fullmatch(key):
        raise FieldInvalid(field=KEY_HEADER, problem="expected 1 to 128 visible ASCII characters")
    return key


def _fingerprint(request: Request, body: Body) -> str:
    """What was asked for, as a hash: of the body as it was understood, so that spacing makes no difference."""
    asked = b"\n".join([request.method.encode(), request.url.path.encode(), encode(body)])
    return sha256(asked).hexdigest()
