"""`python -m deploy.local run|up|down|status|token`: the local stack by hand. `make` has a target for each."""

import argparse
import asyncio
import os
import signal
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path

from deploy.local import background
from deploy.local.config import DEFAULT_DIRECTORY, StackConfig, read_config
from deploy.local.errors import StackError
from deploy.local.layout import Layout
from deploy.local.secrets import load_secrets
from deploy.local.token import mint_token

PARENT_POLL_SECONDS = 0.5


def main(arguments: list[str]) -> int:
    """Do what the command line asks; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        config = read_config(os.environ, options.directory, throwaway=options.throwaway, leave_hung=options.leave_hung)
        match options.command:
            case "run":
                asyncio.run(_run(config, with_parent=options.with_parent))
            case "up":
                background.up(config, _say)
            case "down":
                background.down(config, _say)
            case "status":
                return 0 if background.status(config, _say) else 1
            case "token":
                _say(_token(config, options.user_id, options.role))
    except StackError as error:
        print(f"tandem: {error}", file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # noqa: BLE001 - the edge of the process: a person gets one line, the rest is in a file
        print(
            f"tandem: unexpected {_innermost(error)!r}; the details are in {_keep_details(options.directory)}",
            file=sys.stderr,
        )
        return 1
    return 0


async def _run(config: StackConfig, *, with_parent: bool) -> None:
    """Run the stack until it is told to stop, or with its parent's end."""
    # Not needed by the other commands, which should answer at once.
    from deploy.local.stack import Stack  # noqa: PLC0415

    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stopping.set)
    watcher = asyncio.create_task(_stop_with_parent(stopping)) if with_parent else None
    try:
        await Stack(config, _say).run(stopping)
    finally:
        if watcher is not None:
            watcher.cancel()


async def _stop_with_parent(stopping: asyncio.Event) -> None:
    parent = os.getppid()
    while os.getppid() == parent:  # noqa: ASYNC110 - no event tells of a parent's end
        await asyncio.sleep(PARENT_POLL_SECONDS)
    stopping.set()


def _token(config: StackConfig, user_id: str, role: str) -> str:
    layout = Layout(config.directory)
    layout.prepare()
    secret = load_secrets(layout, config).jwt_secret
    return mint_token(secret, user_id, "admin" if role == "admin" else "user", datetime.now(UTC))


def _say(line: str) -> None:
    print(line, flush=True)


def _innermost(error: BaseException) -> BaseException:
    return _innermost(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


def _keep_details(directory: Path) -> Path:
    file = directory / "logs" / "stack-error.log"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(traceback.format_exc())
    return file


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m deploy.local",
        description="Tandem on this machine: Postgres, NATS, the sandbox exchange and the four services.",
        epilog="Environment: GATEWAY_PORT (3333), DATABASE_URL (an administrator's) and NATS_URL for servers that "
        "exist already, EXCHANGE_MODE (sandbox or live), RECONCILE_INTERVAL_SECONDS (300), LOG_LEVEL (INFO).",
    )
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--directory", type=Path, default=DEFAULT_DIRECTORY, help="where everything is kept (.local)")
    common.add_argument("--throwaway", action="store_true", help="do not wait for the disk: for tests")
    common.add_argument(
        "--leave-hung",
        action="store_true",
        help="do not start again what runs and does not answer: for tests and debuggers that stop a process on purpose",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="run|up|down|status|token")
    run = commands.add_parser("run", parents=[common], help="run in the foreground; Ctrl-C stops everything")
    run.add_argument("--with-parent", action="store_true", help="stop when the process that started it has ended")
    commands.add_parser("up", parents=[common], help="run in the background; returns when everything is ready")
    commands.add_parser("down", parents=[common], help="stop what runs in the background")
    commands.add_parser("status", parents=[common], help="say what runs; exit code 1 if it is not ready")
    token = commands.add_parser("token", parents=[common], help="print a token for the REST and WebSocket doors")
    token.add_argument("--user-id", default="demo", help="whose token (demo)")
    token.add_argument("--role", choices=("user", "admin"), default="user", help="user or admin (user)")
    return parser


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
