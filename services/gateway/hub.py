"""Fan-out: hands each fact to the sockets of its user. It knows nothing of sockets.

Invariants: publishing never waits, so one slow reader delays nobody; a subscription that falls further behind than its
bound is ended with a reason and holds nothing any more; the order of facts is kept.
"""

import asyncio
from collections import deque
from enum import Enum


class Ending(Enum):
    """Why a subscription ended: the code and reason of a WebSocket's close."""

    SLOW_CLIENT = (1013, "SLOW_CLIENT: too many messages were waiting")
    RESTART = (1012, "SERVICE_RESTART: connect again")

    @property
    def code(self) -> int:
        return self.value[0]

    @property
    def reason(self) -> str:
        return self.value[1]


class Subscription:
    """What one reader has still to be given. Made by a Hub."""

    def __init__(self, user_id: str, backlog: int) -> None:
        self.user_id = user_id
        self.ending: Ending | None = None
        self._backlog = backlog
        self._waiting: deque[str] = deque()
        self._changed = asyncio.Event()
        self._ended = asyncio.Event()

    async def next(self) -> str:
        """The next message, in order; waits for one. After the end it waits for ever."""
        while not self._waiting:
            self._changed.clear()
            await self._changed.wait()
        return self._waiting.popleft()

    async def ended(self) -> Ending:
        """Waits for the end of the subscription; why it ended."""
        await self._ended.wait()
        assert self.ending is not None  # noqa: S101 - set before the event is
        return self.ending

    def put(self, message: str) -> bool:
        """Add a message; False, and the end, where too many are waiting."""
        if self.ending is not None:
            return False
        if len(self._waiting) >= self._backlog:
            self.end(Ending.SLOW_CLIENT)
            return False
        self._waiting.append(message)
        self._changed.set()
        return True

    def end(self, ending: Ending) -> None:
        """End it; the first reason stays."""
        if self.ending is None:
            self.ending = ending
            self._waiting.clear()
            self._ended.set()


class Hub:
    """The subscriptions of one process."""

    def __init__(self, backlog: int) -> None:
        self._backlog = backlog
        self._by_user: dict[str, set[Subscription]] = {}
        self._closed = False

    def attach(self, user_id: str) -> Subscription:
        """A subscription to everything that concerns a user from now on; after `close` it has ended already."""
        subscription = Subscription(user_id, self._backlog)
        if self._closed:
            subscription.end(Ending.RESTART)
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

    def publish(self, user_id: str, message: str) -> None:
        """Give a message to every subscription of a user."""
        for subscription in tuple(self._by_user.get(user_id, ())):
            if not subscription.put(message):
                self.detach(subscription)

    def publish_to_all(self, message: str) -> None:
        """Give a message to every subscription of every user."""
        for user_id in tuple(self._by_user):
            self.publish(user_id, message)

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
