"""Fan-out: hands each fact to the sockets of its user. It knows nothing of sockets.

Invariants: publishing never waits, so one slow reader delays nobody; a subscription that falls further behind than its
bound is ended with a reason and holds nothing any more; the order of facts is kept, and a fact is given once, also to a
reader that is still being told what it missed. Of marks only the latest of each position is kept, so they can never
fill a queue.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from enum import Enum


class Ending(Enum):
    """Why a subscription ended: the code and reason of a WebSocket's close."""

    SLOW_CLIENT = (1013, "SLOW_CLIENT: too many messages were waiting")
    STALLED = (1013, "SLOW_CLIENT: a message was not taken in time")
    TOO_MANY = (4429, "TOO_MANY_SOCKETS: close one of the others first")
    RESTART = (1012, "SERVICE_RESTART: connect again")

    @property
    def code(self) -> int:
        return self.value[0]

    @property
    def reason(self) -> str:
        return self.value[1]


class Subscription:
    """What one reader has still to be given. Made by a Hub; a `held` one gives nothing before `resume`."""

    def __init__(self, user_id: str, backlog: int, *, held: bool = False) -> None:
        self.user_id = user_id
        self.ending: Ending | None = None
        self._backlog = backlog
        self._held = held
        self._seen = 0  # up to here it was told by what was read for it
        self._extra = 0  # what it is told of the past does not count against its bound
        self._waiting: deque[tuple[int, str]] = deque()
        self._marks: dict[str, str] = {}
        self._changed = asyncio.Event()
        self._ended = asyncio.Event()

    async def next(self) -> str:
        """The next message: facts in order, then marks; waits for one. After the end it waits for ever."""
        while self._held or not (self._waiting or self._marks):
            self._changed.clear()
            await self._changed.wait()
        if self._waiting:
            self._extra = max(0, self._extra - 1)
            return self._waiting.popleft()[1]
        return self._marks.pop(next(iter(self._marks)))

    async def ended(self) -> Ending:
        """Waits for the end of the subscription; why it ended."""
        await self._ended.wait()
        assert self.ending is not None  # noqa: S101 - set before the event is
        return self.ending

    def put(self, message: str, sequence: int = 0) -> bool:
        """Add a message; False, and the end, where too many are waiting. A message without a place has sequence 0."""
        if self.ending is not None:
            return False
        if 0 < sequence <= self._seen:
            return True  # the past was read further than facts had been handed on here
        if len(self._waiting) - self._extra >= self._backlog:
            self.end(Ending.SLOW_CLIENT)
            return False
        self._waiting.append((sequence, message))
        self._changed.set()
        return True

    def mark(self, key: str, message: str) -> None:
        """Add the latest mark of something, in place of an earlier one that still waits."""
        if self.ending is None:
            self._marks[key] = message
            self._changed.set()

    def resume(self, first: Sequence[str], seen: int) -> None:
        """Give `first`, then what came meanwhile or comes and is later than `seen`."""
        if self.ending is not None:
            return
        later = [(sequence, message) for sequence, message in self._waiting if not 0 < sequence <= seen]
        self._seen = seen
        self._waiting = deque([(0, message) for message in first])
        self._extra = len(first)
        self._waiting.extend(later)
        self._held = False
        self._changed.set()

    def begin_anew(self, message: str) -> bool:
        """Add a message after which places mean something else, as those of a stream that was made anew; as `put`."""
        self._seen = 0
        return self.put(message)

    def end(self, ending: Ending) -> None:
        """End it; the first reason stays."""
        if self.ending is None:
            self.ending = ending
            self._waiting.clear()
            self._marks.clear()
            self._ended.set()


class Hub:
    """The subscriptions of one process."""

    def __init__(self, backlog: int, *, per_user: int) -> None:
        self._backlog = backlog
        self._per_user = per_user
        self._by_user: dict[str, set[Subscription]] = {}
        self._closed = False

    def attach(self, user_id: str, *, held: bool = False) -> Subscription:
        """A subscription to everything that concerns a user from now on.

        It has ended already after `close`, and where the user has too many.
        """
        subscription = Subscription(user_id, self._backlog, held=held)
        if self._closed:
            subscription.end(Ending.RESTART)
        elif len(self._by_user.get(user_id, ())) >= self._per_user:
            subscription.end(Ending.TOO_MANY)
        else:
            self._by_user.setdefault(user_id, set()).add(subscription)
        return subscription

    def detach(self, subscription: Subscription) -> None:
        """Forget a subscription; harmless where it is forgotten already."""
        others = self._by_user.get(subscription.user_id)
        if others is not None:
            others.discard(subscription)
            if not others:
                del self._by_user[subscription.user_id]

    def publish(self, user_id: str, message: str, sequence: int = 0) -> None:
        """Give a message to every subscription of a user."""
        for subscription in tuple(self._by_user.get(user_id, ())):
            if not subscription.put(message, sequence):
                self.detach(subscription)

    def publish_mark(self, user_id: str, key: str, message: str) -> None:
        """Give the latest mark of something to every subscription of a user."""
        for subscription in self._by_user.get(user_id, ()):
            subscription.mark(key, message)

    def publish_to_all(self, message: str) -> None:
        """Give a message to every subscription of every user, which begins anew with it."""
        for subscriptions in tuple(self._by_user.values()):
            for subscription in tuple(subscriptions):
                if not subscription.begin_anew(message):
                    self.detach(subscription)

    def watches(self, user_id: str) -> bool:
        """Whether somebody of that user is there."""
        return user_id in self._by_user

    def close(self) -> None:
        """End every subscription, and each that is asked for later."""
        self._closed = True
        for subscriptions in self._by_user.values():
            for subscription in subscriptions:
                subscription.end(Ending.RESTART)
        self._by_user.clear()

    @property
    def users(self) -> frozenset[str]:
        """Who has a subscription."""
        return frozenset(self._by_user)

    @property
    def size(self) -> int:
        """How many subscriptions there are."""
        return sum(len(subscriptions) for subscriptions in self._by_user.values())
