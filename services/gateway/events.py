"""Facts from the bus, as the WebSocket pushes them.

Invariants: a fact goes to the user whom it names and to nobody else; it carries its place in the stream as `sequence`,
so that it can be told apart from a repetition and asked for again; where facts could not be had, every socket is told
to read anew. A mark has no place: the next one replaces it.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC
from typing import Any, Protocol

from google.protobuf.message import DecodeError, Message

from protos.gateway.v1 import events_pb2 as gateway_events
from protos.monitor.v1 import events_pb2 as monitor_events
from protos.positions.v1 import events_pb2 as positions_events
from protos.reconciler.v1 import events_pb2 as reconciler_events
from services.common.bus import Received
from services.common.clock import Clock
from services.common.errors import BusUnavailable
from services.common.past import PastGone
from services.common.subjects import all_users, all_users_ephemeral, ephemeral_subject, subject
from services.gateway.http.advisor import evaluation_document
from services.gateway.http.alerts import triggered_document
from services.gateway.http.documents import mark_document, position_document
from services.gateway.http.flows import ExecutionPush, execution_document, update_document
from services.gateway.http.json import Document, encode, instant, optional_instant
from services.gateway.http.reconciliation import run_document
from services.gateway.hub import Hub


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fact: who says it, as what message, whose it is, and what of it is pushed."""

    owner: str
    message: type[Message]
    user: Callable[[Any], str]
    document: Callable[[Any], Document]


class GuardDocument(Document, kw_only=True, frozen=True):
    """Whether the enforced levels of an account's positions are watched, and why not."""

    account_id: str
    guarded: bool
    reason: str | None


class DoubtDocument(Document, kw_only=True, frozen=True):
    """What a venue says of an account is doubted since then (the positions seem gone), or, `ended`, no longer."""

    run_id: str
    account_id: str
    exchange: str
    since: str | None
    reason: str
    position_ids: list[str]
    ended: bool


def _of_user(owner: str, message: type[Message], document: Callable[[Any], Document]) -> Kind:
    return Kind(owner, message, lambda fact: fact.user_id, document)


def _guard(fact: monitor_events.GuardChanged) -> GuardDocument:
    return GuardDocument(account_id=fact.account_id, guarded=fact.guarded, reason=fact.reason or None)


def _doubt(fact: reconciler_events.ReconciliationSuspicious) -> DoubtDocument:
    return DoubtDocument(
        run_id=fact.run_id,
        account_id=fact.account_id,
        exchange=fact.exchange,
        since=optional_instant(fact.since, present=fact.HasField("since")),
        reason=fact.reason,
        position_ids=list(fact.position_ids),
        ended=fact.ended,
    )


def _execution(fact: monitor_events.ExecutionUpdated) -> ExecutionPush:
    return ExecutionPush(update=update_document(fact.update), execution=execution_document(fact.execution))


def _of_position(message: type[Message]) -> Kind:
    return Kind("positions", message, lambda fact: fact.position.user_id, lambda fact: position_document(fact.position))


KINDS: dict[str, Kind] = {
    "position_opened": _of_position(positions_events.PositionOpened),
    "position_closed": _of_position(positions_events.PositionClosed),
    "position_exit_completed": _of_position(positions_events.PositionExitCompleted),
    "position_levels_changed": _of_position(positions_events.PositionLevelsChanged),
    "reconciliation_finished": _of_user(
        "reconciler", reconciler_events.ReconciliationFinished, lambda fact: run_document(fact.run)
    ),
    "reconciliation_suspicious": _of_user("reconciler", reconciler_events.ReconciliationSuspicious, _doubt),
    "alert_triggered": _of_user("monitor", monitor_events.AlertTriggered, triggered_document),
    "guard_changed": _of_user("monitor", monitor_events.GuardChanged, _guard),
    "position_evaluated": _of_user(
        "monitor", monitor_events.PositionEvaluated, lambda fact: evaluation_document(fact.evaluation)
    ),
    "execution_updated": _of_user("monitor", monitor_events.ExecutionUpdated, _execution),
}
SUBJECTS = [all_users(kind.owner, name) for name, kind in KINDS.items()]
MARK_SUBJECTS = [all_users_ephemeral("monitor", "position_marked")]


class Push(Document, kw_only=True, frozen=True):
    """A fact to a socket."""

    type: str
    sequence: int
    timestamp: str
    data: Document


class MarkPush(Document, kw_only=True, frozen=True):
    """A mark to a socket."""

    type: str = "position_marked"
    timestamp: str
    data: Document


class ResyncRequired(Document, kw_only=True, frozen=True):
    """Facts were missed: read the positions anew."""

    type: str = "resync_required"


RESYNC_REQUIRED = encode(ResyncRequired()).decode()


def push(message: Received) -> tuple[str, str]:
    """The user whom a fact concerns, and what is pushed. DecodeError or ValueError where it is not what it says."""
    name = message.subject.split(".")[2]
    kind = KINDS[name]
    fact: Any = kind.message.FromString(message.payload)
    document = Push(
        type=name,
        sequence=message.sequence,
        timestamp=instant(fact.occurred_at.ToDatetime(tzinfo=UTC)),
        data=kind.document(fact),
    )
    return kind.user(fact), encode(document).decode()


class Facts:
    """Handles messages of the bus: hands each to the hub."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def handle(self, message: Received) -> None:
        """One fact. Raises DecodeError or ValueError where it is not what its subject says."""
        user_id, text = push(message)
        self._hub.publish(user_id, text, message.sequence)

    async def missed(self) -> None:
        """Facts were lost to this process: nobody may go on as if nothing had happened."""
        self._hub.publish_to_all(RESYNC_REQUIRED)

    async def handle_mark(self, message: Received) -> None:
        """One mark."""
        mark = monitor_events.PositionMarked.FromString(message.payload)
        if not self._hub.watches(mark.user_id):
            return
        text = encode(
            MarkPush(timestamp=instant(mark.marked_at.ToDatetime(tzinfo=UTC)), data=mark_document(mark))
        ).decode()
        self._hub.publish_mark(mark.user_id, mark.position_id, text)


@dataclass(frozen=True, slots=True)
class Missed:
    """What a client has missed: the messages, and the sequence up to which it knows everything then."""

    messages: list[str]
    sequence: int


class Past(Protocol):
    """What the stream has kept: of the bus."""

    async def read_past(self, subjects: list[str], after: int, limit: int) -> list[Received]:
        """Raises PastGone, BusUnavailable."""
        ...


class Replay:
    """Reads what a user has missed. `limit`: a client that missed more reads anew instead."""

    def __init__(self, past: Past, *, limit: int) -> None:
        self._past = past
        self._limit = limit

    async def read(self, user_id: str, after: int) -> Missed | None:
        """What came after that sequence; None where that cannot be told (any more, or now)."""
        subjects = [subject(kind.owner, name, user_id) for name, kind in KINDS.items()]
        try:
            past = await self._past.read_past(subjects, after, self._limit)
            pushes = [(message.sequence, *push(message)) for message in past]
        except (PastGone, BusUnavailable, DecodeError, ValueError):
            return None
        # The subject's token says whose it is; the message itself has the last word.
        messages = [text for _, owner, text in pushes if owner == user_id]
        return Missed(messages, max([after, *(sequence for sequence, _, _ in pushes)]))


def telling_watched(send: Callable[[str, bytes], Awaitable[bool]], clock: Clock) -> Callable[[str], Awaitable[bool]]:
    """Says that somebody looks at a user's positions now."""

    async def tell(user_id: str) -> bool:
        message = gateway_events.UserWatched(user_id=user_id)
        message.sent_at.FromDatetime(clock.now())
        return await send(ephemeral_subject("gateway", "user_watched", user_id), message.SerializeToString())

    return tell
