"""A process: start, tasks that die, drain in order and in time, the admin port; signals, in a process of its own."""

import asyncio
import json
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

from services.common.errors import StartupError
from services.common.process import Process

LISTEN = "127.0.0.1:0"
Main = Callable[[Process], Awaitable[object]]


def process(drain_timeout_seconds: float = 5) -> Process:
    return Process("example", drain_timeout_seconds=drain_timeout_seconds, registry=CollectorRegistry())


async def forever() -> None:
    await asyncio.Event().wait()


async def test_it_ends_with_zero_when_it_is_stopped() -> None:
    async def main(running: Process) -> None:
        running.spawn("worker", forever())
        running.stop()

    assert await asyncio.wait_for(process().supervise(main, LISTEN), 5) == 0


async def test_a_main_that_runs_on_is_cancelled() -> None:
    cancelled = asyncio.Event()

    async def main(running: Process) -> None:
        running.stop()
        try:
            await forever()
        finally:
            cancelled.set()

    assert await asyncio.wait_for(process().supervise(main, LISTEN), 5) == 0
    assert cancelled.is_set()


async def fails() -> None:
    raise RuntimeError("bug")


async def returns() -> None:
    return


@pytest.mark.parametrize("task", [fails, returns])
async def test_a_background_task_that_ends_takes_the_process_with_it(
    task: Callable[[], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    drained = asyncio.Event()

    async def drain() -> None:
        drained.set()

    async def main(running: Process) -> None:
        running.on_drain(drain)
        running.spawn("worker", task())

    assert await asyncio.wait_for(process().supervise(main, LISTEN), 5) == 1
    assert drained.is_set()
    assert "background task ended" in capsys.readouterr().out


@pytest.mark.parametrize("task", [fails, returns])
async def test_a_task_that_the_process_can_do_without_is_begun_anew(
    task: Callable[[], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    begun = 0

    async def main(running: Process) -> None:
        async def work() -> None:
            nonlocal begun
            begun += 1
            if begun == 1:
                await task()
            else:
                running.stop()
                await forever()

        running.attend("worker", work)

    made = process()
    assert await asyncio.wait_for(made.supervise(main, LISTEN), 10) == 0
    assert begun == 2
    assert "begun anew" in capsys.readouterr().out
    assert made.instruments.registry.get_sample_value("tandem_background_failures_total", {"task": "worker"}) == 1


async def test_what_a_listener_raises_goes_no_further(capsys: pytest.CaptureFixture[str]) -> None:
    made, heard = process(), []

    def listener(news: int) -> None:
        heard.append(10 // news)

    shielded = made.shield("listener", listener)
    for news in (0, 5):
        shielded(news)
    assert heard == [2]
    assert "ZeroDivisionError" in capsys.readouterr().out
    assert made.instruments.registry.get_sample_value("tandem_background_failures_total", {"task": "listener"}) == 1


async def test_a_task_cancelled_by_somebody_else_has_ended_too() -> None:
    async def main(running: Process) -> None:
        running.spawn("worker", forever()).cancel()

    assert await asyncio.wait_for(process().supervise(main, LISTEN), 5) == 1


async def test_a_main_that_fails_drains_what_it_had_started() -> None:
    order: list[str] = []

    async def main(running: Process) -> None:
        running.on_drain(lambda: note(order, "engine"))
        raise RuntimeError("bug")

    assert await asyncio.wait_for(process().supervise(main, LISTEN), 5) == 1
    assert order == ["engine"]


async def note(order: list[str], name: str) -> None:
    order.append(name)


async def test_a_main_that_was_cancelled_by_itself_has_failed() -> None:
    async def main(running: Process) -> None:
        raise asyncio.CancelledError

    assert await asyncio.wait_for(process().supervise(main, LISTEN), 5) == 1


async def test_a_startup_error_is_one_line_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    async def main(running: Process) -> None:
        raise StartupError("the port is taken")

    assert await asyncio.wait_for(process().supervise(main, LISTEN), 5) == 1
    out = capsys.readouterr().out
    assert "the port is taken" in out
    assert "Traceback" not in out


async def test_what_was_started_last_is_stopped_first_tasks_and_callbacks_alike() -> None:
    order: list[str] = []

    async def task(name: str) -> None:
        try:
            await forever()
        finally:
            order.append(name)

    async def main(running: Process) -> None:
        running.on_drain(lambda: note(order, "engine"))
        running.spawn("bus", task("bus"))
        running.spawn("relay", task("relay"))
        running.on_drain(lambda: note(order, "server"))
        await asyncio.sleep(0)  # let the tasks begin
        running.stop()

    assert await asyncio.wait_for(process().supervise(main, LISTEN), 5) == 0
    assert order == ["server", "relay", "bus", "engine"]


async def test_one_part_that_fails_to_drain_does_not_keep_the_others() -> None:
    order: list[str] = []

    async def main(running: Process) -> None:
        running.on_drain(lambda: note(order, "engine"))
        running.on_drain(fails)
        running.stop()

    assert await asyncio.wait_for(process().supervise(main, LISTEN), 5) == 0
    assert order == ["engine"]


async def test_the_drain_is_bounded() -> None:
    async def main(running: Process) -> None:
        running.on_drain(forever)
        running.stop()

    assert await asyncio.wait_for(process(0.1).supervise(main, LISTEN), 5) == 1


async def test_a_task_that_swallows_a_cancellation_is_cancelled_again() -> None:
    async def stubborn() -> None:
        try:
            await forever()
        except asyncio.CancelledError:
            await forever()

    async def main(running: Process) -> None:
        running.spawn("stubborn", stubborn())
        await asyncio.sleep(0)
        running.stop()

    assert await asyncio.wait_for(process().supervise(main, LISTEN), 10) == 0


@pytest.fixture
async def running() -> AsyncIterator[Process]:
    """A process that runs, with its admin port."""
    made, up = process(), asyncio.Event()

    async def main(_: Process) -> None:
        up.set()

    task = asyncio.create_task(made.supervise(main, LISTEN))
    await asyncio.wait_for(up.wait(), 5)
    yield made
    made.stop()
    assert await asyncio.wait_for(task, 10) == 0


async def get(running: Process, path: str) -> httpx.Response:
    host, port = running.admin_address
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.get(f"http://{host}:{port}{path}")


async def test_the_admin_port_shows_life_readiness_and_metrics(running: Process) -> None:
    running.health.declare("positions.v1.PositionsService")
    assert (await get(running, "/healthz")).status_code == 200
    answer = await get(running, "/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"status": "not ready", "services": {"positions.v1.PositionsService": "NOT_SERVING"}}
    running.health.set("positions.v1.PositionsService", True)
    answer = await get(running, "/readyz")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ready", "services": {"positions.v1.PositionsService": "SERVING"}}
    running.instruments.outbox_depth.set(7)
    metrics = await get(running, "/metrics")
    assert "tandem_outbox_depth 7.0" in metrics.text
    assert metrics.headers["content-type"].startswith("text/plain")


async def test_a_taken_admin_port_is_one_clear_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        port = held.getsockname()[1]

        async def main(_: Process) -> None:
            raise AssertionError("not reached")

        assert await asyncio.wait_for(process().supervise(main, f"127.0.0.1:{port}"), 5) == 1
    out = capsys.readouterr().out
    assert f"ADMIN_LISTEN 127.0.0.1:{port} cannot be used" in out
    assert "Traceback" not in out


SERVICE = """
import asyncio, sys
from pathlib import Path
from types import SimpleNamespace
from services.common.process import run

async def hang():
    print("draining now", flush=True)
    if "hang" in sys.argv:
        await asyncio.Event().wait()

async def main(process):
    process.on_drain(hang)
    process.spawn("worker", asyncio.Event().wait())
    print("up", flush=True)

run(
    SimpleNamespace(
        service="example",
        log_level="INFO",
        drain_timeout_seconds=60,
        admin_listen="127.0.0.1:0",
        otel_exporter_otlp_endpoint=None,
        otel_traces_sampler_arg=1,
    ),
    main,
)
"""


async def start(*arguments: str) -> asyncio.subprocess.Process:
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVICE, *arguments, stdout=asyncio.subprocess.PIPE, cwd=Path.cwd()
    )
    await wait_for_line(started, "up")
    return started


async def wait_for_line(started: asyncio.subprocess.Process, text: str) -> None:
    assert started.stdout is not None
    async with asyncio.timeout(20):
        while text not in (line := (await started.stdout.readline()).decode()):
            assert line, f"ended before it said {text}"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_drains_and_ends_with_zero_and_logs_are_json(number: signal.Signals) -> None:
    started = await start()
    started.send_signal(number)
    out, _ = await asyncio.wait_for(started.communicate(), 20)
    assert started.returncode == 0
    logs = [json.loads(line) for line in out.decode().splitlines() if line.startswith("{")]
    assert [log["event"] for log in logs] == ["signal", "draining", "stopped"]
    assert {log["service"] for log in logs} == {"example"}


async def test_a_second_signal_ends_it_at_once() -> None:
    started = await start("hang")
    started.send_signal(signal.SIGTERM)
    await wait_for_line(started, "draining now")
    started.send_signal(signal.SIGTERM)
    await asyncio.wait_for(started.communicate(), 20)
    assert started.returncode == 1
