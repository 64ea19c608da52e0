"""What dies is started again and said so; what never gets ready fails loudly; stopping leaves nothing behind."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.local.child import Child, Launch
from deploy.local.errors import StackError
from deploy.local.layout import Layout
from deploy.local.leftovers import birth, end_leftovers, record_children
from deploy.local.supervisor import BackOff, Liveness, Managed, Supervisor

WORKER = Path(__file__).with_name("worker.py")


class Bench:
    """A supervisor with workers in one directory, and everything that it announced."""

    def __init__(self, directory: Path, liveness: Liveness | None = None) -> None:
        self.directory = directory
        self.announced: list[str] = []
        self.news = asyncio.Event()
        self.supervisor = Supervisor(self._hear, back_off=BackOff(first_seconds=0.01), liveness=liveness)

    def worker(
        self, name: str, *options: str, grace_seconds: float = 10.0, start_timeout_seconds: float = 20.0
    ) -> Managed:
        ready_file = self.directory / name

        async def prepare() -> Launch:
            ready_file.unlink(missing_ok=True)
            command = (sys.executable, str(WORKER), str(ready_file), *options)
            return Launch(name=name, command=command, log_file=self.directory / f"{name}.log")

        async def ready(child: Child) -> bool:
            return ready_file.exists() and ready_file.read_text() == str(child.pid)

        return Managed(name, prepare, ready, start_timeout_seconds=20.0, grace_seconds=grace_seconds)

    async def heard(self, text: str) -> str:
        """Wait until something with this text has been announced."""
        async with asyncio.timeout(20):
            while True:
                self.news.clear()
                for line in self.announced:
                    if text in line:
                        return line
                await self.news.wait()

    def _hear(self, line: str) -> None:
        self.announced.append(line)
        self.news.set()


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    await bench.supervisor.stop()


async def test_a_process_that_died_is_started_again_and_said_so(bench: Bench) -> None:
    await bench.supervisor.start(bench.worker("positions"))
    first = bench.supervisor.pids["positions"]
    os.kill(first, signal.SIGKILL)
    assert await bench.heard("positions died") == "positions died (SIGKILL): starting it again in 0.01 s"
    again = await bench.heard("positions is ready again")
    second = bench.supervisor.pids["positions"]
    assert second != first
    assert str(second) in again


async def test_each_death_waits_longer(bench: Bench) -> None:
    await bench.supervisor.start(bench.worker("positions"))
    for delay in ("0.01", "0.02", "0.04"):
        os.kill(bench.supervisor.pids["positions"], signal.SIGKILL)
        await bench.heard(f"starting it again in {delay} s")
        await bench.heard("ready again")
        bench.announced.clear()


async def test_a_process_that_never_gets_ready_fails_the_start_with_its_last_words(bench: Bench) -> None:
    with pytest.raises(StackError, match="monitor did not start: exit code 1") as failure:
        await bench.supervisor.start(bench.worker("monitor", "--exit", "1"))
    assert "the settings are wrong" in str(failure.value)
    assert len(bench.announced) == 2


async def test_bad_settings_are_not_tried_twice(bench: Bench) -> None:
    with pytest.raises(StackError, match="exit code 2"):
        await bench.supervisor.start(bench.worker("monitor", "--exit", "2"))
    assert bench.announced == []


async def test_a_process_that_runs_but_is_not_ready_in_time_fails_the_start(bench: Bench) -> None:
    managed = bench.worker("gateway")

    async def never(_: Child) -> bool:
        return False

    with pytest.raises(StackError, match="gateway not ready in 0 s"):
        await bench.supervisor.start(Managed("gateway", managed.prepare, never, start_timeout_seconds=0.2))


async def test_a_command_that_does_not_exist_is_one_line(bench: Bench) -> None:
    managed = bench.worker("nats")

    async def prepare() -> Launch:
        return Launch(name="nats", command=("/nowhere/nats-server",), log_file=bench.directory / "log")

    with pytest.raises(StackError, match="nats cannot be started: /nowhere/nats-server is not there"):
        await bench.supervisor.start(Managed("nats", prepare, managed.ready))


async def test_stopping_leaves_nothing_behind(bench: Bench) -> None:
    await bench.supervisor.start(bench.worker("positions"))
    await bench.supervisor.start(bench.worker("monitor", "--child"))
    pids = [*bench.supervisor.pids.values(), int((bench.directory / "monitor.child.pid").read_text())]
    await bench.supervisor.stop()
    async with asyncio.timeout(10):  # a process that is no child of ours disappears a moment after its signal
        while any(birth(pid) for pid in pids):  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0)
    assert bench.supervisor.pids == {}
    assert bench.announced == []


async def test_what_does_not_stop_in_its_grace_is_ended_by_force(bench: Bench) -> None:
    await bench.supervisor.start(bench.worker("positions", "--ignore-stop", grace_seconds=0.1))
    pid = bench.supervisor.pids["positions"]
    await bench.supervisor.stop()
    assert birth(pid) is None
    assert bench.announced == ["positions did not stop in 0 s and was ended by force"]


async def test_what_a_killed_stack_left_behind_is_ended_by_the_next(bench: Bench) -> None:
    layout = Layout(bench.directory)
    await bench.supervisor.start(bench.worker("positions"))
    child = bench.supervisor.pids["positions"]
    record_children(layout, {"positions": child})
    watched = asyncio.create_task(bench.heard("positions died (SIGTERM)"))
    assert await end_leftovers(layout) == ["positions"]
    await watched
    assert birth(child) is None


async def test_a_process_that_only_has_the_id_of_an_old_one_is_left_alone(bench: Bench) -> None:
    layout = Layout(bench.directory)
    layout.children_file.write_text(f'{{"positions": {{"pid": {os.getpid()}, "born": "1"}}}}')
    assert await end_leftovers(layout) == []


class Answers:
    """What a process answers to its probes, one after the other; None is no answer ever. Then True, for good."""

    def __init__(self, *answers: bool | None) -> None:
        self._left = list(answers)
        self.over = asyncio.Event()

    async def __call__(self) -> bool:
        if not self._left:
            self.over.set()
            return True
        answer = self._left.pop(0)
        if answer is None:
            await asyncio.Event().wait()
        return bool(answer)


@pytest.fixture
async def probing(tmp_path: Path) -> AsyncIterator[Bench]:
    """A supervisor that asks again and again, and believes the third silence."""
    bench = Bench(tmp_path, Liveness(period_seconds=0.01, timeout_seconds=0.05, failures=3, grace_seconds=0.1))
    yield bench
    await bench.supervisor.stop()


@pytest.mark.parametrize("silence", [False, None])
async def test_what_runs_and_does_not_answer_is_replaced(probing: Bench, silence: bool | None) -> None:
    answers = Answers(True, silence, silence, silence)
    await probing.supervisor.start(replace(probing.worker("positions"), alive=answers))
    first = probing.supervisor.pids["positions"]
    await probing.heard("positions died (hung): starting it again")
    assert probing.announced[0] == f"positions (pid {first}) runs but has not answered 3 times: ending it"
    again = await probing.heard("positions is ready again")
    second = probing.supervisor.pids["positions"]
    assert (str(second) in again, second != first, birth(first)) == (True, True, None)
    await answers.over.wait()


async def test_a_silence_that_ends_in_time_is_forgiven(probing: Bench) -> None:
    answers = Answers(False, None, True, None, False, True)
    await probing.supervisor.start(replace(probing.worker("positions"), alive=answers))
    await answers.over.wait()
    assert probing.announced == []


async def test_a_hung_process_that_ignores_its_end_is_ended_by_force(probing: Bench) -> None:
    managed = replace(
        probing.worker("positions", "--ignore-stop", grace_seconds=0.1), alive=Answers(False, False, False)
    )
    await probing.supervisor.start(managed)
    await probing.heard("positions is ready again")


async def test_where_nobody_asked_for_it_what_hangs_is_left_alone(bench: Bench) -> None:
    answers = Answers()
    await bench.supervisor.start(replace(bench.worker("positions"), alive=answers))
    os.kill(bench.supervisor.pids["positions"], signal.SIGKILL)
    await bench.heard("positions is ready again")
    assert not answers.over.is_set()
