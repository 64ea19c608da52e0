"""Keeps processes running: starts them, waits until they are ready, and starts again what dies or hangs.

Invariants: a process that has been ready once is started again for ever, each time a little later; one that never got
ready fails the start, with the end of its log; one that was ready and answers no probe, several times running, is
ended, as Kubernetes' liveness probe would; stopping starts nothing any more and leaves none of ours behind.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from deploy.local.child import Child, Launch, describe_exit, tail
from deploy.local.errors import StackError

BAD_SETTINGS = 2  # the exit code of a process that will not run with what it was told: trying again is no use
START_ATTEMPTS = 3
POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Managed:
    """One process to keep running.

    `prepare` is called before each start, `ready` again and again after it, and `alive` for as long as it runs then:
    whether it answers (None: nobody asks). `grace_seconds` is how long it may take to stop by itself.
    """

    name: str
    prepare: Callable[[], Awaitable[Launch]]
    ready: Callable[[Child], Awaitable[bool]]
    alive: Callable[[], Awaitable[bool]] | None = None
    start_timeout_seconds: float = 90.0
    grace_seconds: float = 20.0


@dataclass(frozen=True, slots=True)
class BackOff:
    """How long to wait before the next start: doubled each time, from the first to the longest; a process that ran for
    `forget_after_seconds` begins with the first again."""

    first_seconds: float = 0.25
    longest_seconds: float = 30.0
    forget_after_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class Liveness:
    """When a process that runs counts as hung: after so many `failures` in a row of being asked every `period_seconds`
    and not answering in `timeout_seconds`. It then has `grace_seconds` to stop by itself.
    """

    period_seconds: float = 10.0
    timeout_seconds: float = 5.0
    failures: int = 3
    grace_seconds: float = 5.0


class Supervisor:
    """The processes of one stack. `changed` is called whenever a process has been started; without `liveness` what
    hangs is left alone.
    """

    def __init__(
        self,
        announce: Callable[[str], None],
        changed: Callable[[], None] = lambda: None,
        back_off: BackOff | None = None,
        liveness: Liveness | None = None,
    ) -> None:
        self._announce = announce
        self._changed = changed
        self._back_off = back_off or BackOff()
        self._liveness = liveness
        self._children: dict[str, Child] = {}
        self._grace: dict[str, float] = {}
        self._keepers: dict[str, asyncio.Task[None]] = {}

    @property
    def pids(self) -> dict[str, int]:
        """The process id of everything that runs now."""
        return {name: child.pid for name, child in self._children.items() if child.returncode is None}

    async def start(self, managed: Managed) -> None:
        """Start a process and wait until it is ready. Raises StackError, with the end of its log, if it never is."""
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._grace[managed.name] = managed.grace_seconds
        keeper = asyncio.create_task(self._keep(managed, ready), name=f"keep {managed.name}")
        self._keepers[managed.name] = keeper
        try:
            async with asyncio.timeout(managed.start_timeout_seconds):
                await asyncio.wait([ready, keeper], return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            child = self._children.get(managed.name)
            raise _failure(managed.name, f"not ready in {managed.start_timeout_seconds:.0f} s", child) from None
        if keeper.done():
            keeper.result()

    async def watch(self) -> None:
        """Wait for ever; raises what made a keeper fail."""
        await asyncio.gather(*self._keepers.values())

    async def stop(self, names: Iterable[str] | None = None) -> None:
        """Stop these processes, or all, side by side; those that do not stop in their grace are ended by force."""
        await asyncio.gather(*(self._stop(name) for name in list(self._keepers if names is None else names)))

    async def _stop(self, name: str) -> None:
        keeper = self._keepers.pop(name, None)
        if keeper is None:
            return
        keeper.cancel()
        await asyncio.wait([keeper])
        child = self._children.get(name)
        if child is not None and not await child.stop(self._grace[name]):
            self._announce(f"{name} did not stop in {self._grace[name]:.0f} s and was ended by force")

    async def _keep(self, managed: Managed, ready: asyncio.Future[None]) -> None:
        clock = asyncio.get_running_loop().time
        attempts, delay = 0, self._back_off.first_seconds
        while True:
            started = clock()
            died, hopeless = await self._run_once(managed, ready)
            attempts += 1
            if not ready.done() and (hopeless or attempts == START_ATTEMPTS):
                raise _failure(managed.name, f"did not start: {died}", self._children.get(managed.name))
            if clock() - started > self._back_off.forget_after_seconds:
                delay = self._back_off.first_seconds
            self._announce(f"{managed.name} died ({died}): starting it again in {delay:g} s")
            await asyncio.sleep(delay)
            delay = min(delay * 2, self._back_off.longest_seconds)

    async def _run_once(self, managed: Managed, ready: asyncio.Future[None]) -> tuple[str, bool]:
        """Run the process once, from its start to its end; returns how it ended and whether trying again is no use."""
        try:
            child = await self._start_child(managed)
        except StackError as error:
            if not ready.done():
                raise
            return str(error), False
        self._changed()
        ended = asyncio.create_task(child.wait())
        try:
            while not ended.done():
                if await managed.ready(child):
                    if ready.done():
                        self._announce(f"{managed.name} is ready again (pid {child.pid})")
                    else:
                        ready.set_result(None)
                    break
                await asyncio.wait([ended], timeout=POLL_SECONDS)
            hung = await self._end_when_hung(managed, child, ended)
            code = await asyncio.shield(ended)
            return hung or describe_exit(code), code == BAD_SETTINGS
        finally:
            ended.cancel()

    async def _end_when_hung(self, managed: Managed, child: Child, ended: asyncio.Task[int]) -> str:
        """Ask a process whether it is alive until it has ended; end it where it does not answer, and say so."""
        if managed.alive is None or self._liveness is None:
            return ""
        unanswered = 0
        while unanswered < self._liveness.failures:
            await asyncio.wait([ended], timeout=self._liveness.period_seconds)
            if ended.done():
                return ""
            unanswered = 0 if await _answers(managed.alive, self._liveness.timeout_seconds) else unanswered + 1
        if ended.done():
            return ""
        self._announce(f"{managed.name} (pid {child.pid}) runs but has not answered {unanswered} times: ending it")
        await child.stop(self._liveness.grace_seconds)
        return "hung"

    async def _start_child(self, managed: Managed) -> Child:
        """Start the process. A stop that comes meanwhile waits until it is known, so that it is stopped as well."""
        starting = asyncio.ensure_future(Child.start(await managed.prepare()))
        try:
            await asyncio.shield(starting)
        finally:
            if not starting.done():
                await asyncio.wait([starting])
            if starting.exception() is None:
                self._children[managed.name] = starting.result()
        return starting.result()


async def _answers(alive: Callable[[], Awaitable[bool]], timeout_seconds: float) -> bool:
    try:
        async with asyncio.timeout(timeout_seconds):
            return await alive()
    except TimeoutError:
        return False


def _failure(name: str, reason: str, child: Child | None) -> StackError:
    """The error of a process that did not get ready: one line that says what happened, then the end of its log."""
    if child is None:
        return StackError(f"{name} {reason}")
    log = child.launch.log_file
    shown = "\n".join(f"    {line}" for line in tail(log).splitlines())
    return StackError(f"{name} {reason}. The end of {log}:\n{shown or '    (empty)'}")
