"""A process that dies at a chosen point, and what its fakes share."""

import asyncio


class ProcessKilled(BaseException):
    """What is being run ends here, as if by kill -9; nothing but the test may catch it."""


class CrashPlan:
    """Counts the points that fakes pass, and kills at the one that it was told to. A point gives way to other tasks."""

    def __init__(self, kill_at: int | None = None) -> None:
        self.passed = 0
        self.names: list[str] = []
        self._kill_at = kill_at
        self._stall_at: int | None = None
        self.stalled = asyncio.Event()
        self._go_on = asyncio.Event()
        self._fail_at = ""
        self._stall_name = ""

    def stall_next_named(self, name: str) -> None:
        """Hold whoever passes a point of that name first until `go_on`; others pass."""
        self._stall_name = name

    def fail_next_at(self, name: str, error: Exception) -> None:
        """Raise an error at the next point of that name, once."""
        self._fail_at, self._error = name, error

    def stall_next_at(self, point: int) -> None:
        """Count anew, and hold whoever passes that point until `go_on`; others pass."""
        self.passed = 0
        self.names = []
        self._stall_at = point

    def go_on(self) -> None:
        """Let whoever was held go on."""
        self._go_on.set()

    def kill_next_at(self, point: int | None) -> None:
        """Count anew, and kill at that point (the first is 1), or never."""
        self.passed = 0
        self.names = []
        self._kill_at = point

    async def point(self, name: str) -> None:
        """Pass a point, or be killed at it."""
        self.passed += 1
        self.names.append(name)
        if self.passed == self._kill_at:
            raise ProcessKilled(name)
        if name == self._fail_at:
            self._fail_at = ""
            raise self._error
        if self.passed == self._stall_at or name == self._stall_name:
            self._stall_at, self._stall_name = None, ""
            self.stalled.set()
            await self._go_on.wait()
        await asyncio.sleep(0)
