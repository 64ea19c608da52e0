"""`python -m deploy.sandbox`: run the sandbox exchange until it is told to stop."""

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from .replay import ReplayRefused
from .server import BINANCE_WEIGHT, NotLoopback, running_sandbox
from .state import StateInUse


def read_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m deploy.sandbox",
        description=(
            "An exchange on this machine that speaks Binance USD-M's and Bybit v5's protocol (REST and WebSocket), "
            "with control routes under /sandbox. Prints its URL on one line once it listens. See README.md beside it."
        ),
    )
    parser.add_argument("--host", default="127.0.0.1", help="loopback address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port; 0 takes a free one (default: %(default)s)")
    parser.add_argument("--data", type=Path, required=True, help="directory that keeps the state over restarts")
    parser.add_argument("--seed", type=int, default=1, help="seed of the price walk (default: %(default)s)")
    parser.add_argument(
        "--tick-seconds", type=float, default=1.0, help="time between two steps of the prices (default: %(default)s)"
    )
    parser.add_argument(
        "--binance-weight", type=int, default=BINANCE_WEIGHT, help="request weight a minute (default: %(default)s)"
    )
    parser.add_argument("--replay", type=Path, help="CSV of prices to play instead of the walk: time,symbol,price,…")
    parser.add_argument(
        "--replay-speed", type=float, default=1.0, help="60 plays a minute in a second (default: %(default)s)"
    )
    return parser.parse_args(arguments)


async def serve(arguments: argparse.Namespace) -> None:
    replay = arguments.replay.read_text() if arguments.replay else ""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with running_sandbox(
        arguments.data,
        host=arguments.host,
        port=arguments.port,
        seed=arguments.seed,
        tick_seconds=arguments.tick_seconds,
        binance_weight=arguments.binance_weight,
        replay=replay,
        replay_speed=arguments.replay_speed,
    ) as url:
        print(url, flush=True)
        await stop.wait()


def main() -> int:
    try:
        asyncio.run(serve(read_arguments()))
    except (NotLoopback, StateInUse, ReplayRefused, OSError) as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
