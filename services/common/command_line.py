"""What `python -m services.<name> COMMAND` does, the same for every service.

Invariants: settings are read only when a command is going to use them, so `--help` works without any; a command line
that is wrong ends with 2, as bad settings do; what its operator can mend ends a command with 1 and one line.
"""

import argparse
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from services.common.certificates import CertificateFiles, show_expiry
from services.common.config import BAD_SETTINGS, ServiceSettings
from services.common.errors import StartupError, Unavailable
from services.common.migration import migrate
from services.common.process import FAILED, Process, run
from services.common.telemetry import configure_logging

Settings = TypeVar("Settings", bound=ServiceSettings)
Command = Callable[[Settings], None]


def run_command(
    settings_class: type[Settings],
    serve: Callable[[Settings, Process], Awaitable[object]],
    *,
    more: Mapping[str, tuple[str, Command[Settings]]] | None = None,
    check: Command[Settings] = lambda _: None,
    arguments: Sequence[str] | None = None,
) -> None:
    """Do what the command line says.

    `more`: further commands by name, each with what it does in a line. `check`: raises StartupError or ValueError for
    settings that read well and cannot be used.
    """
    name = settings_class.service
    own = more or {}
    parser = argparse.ArgumentParser(prog=f"python -m services.{name}", description=f"The {name} service of Tandem.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("serve", help="serve until a signal ends it")
    commands.add_parser("migrate", help="bring this service's schema up to date, under an advisory lock")
    commands.add_parser("check-config", help="say whether the settings are good, and change nothing")
    for command, (text, _) in own.items():
        commands.add_parser(command, help=text)
    chosen = parser.parse_args(arguments).command

    settings = settings_class.load()
    if chosen == "serve":
        run(settings, partial(_serve, settings, serve))
    if chosen == "check-config":
        _check(settings, check)
        return
    configure_logging(name, settings.log_level)
    try:
        if chosen == "migrate":
            migrate(settings, f"services.{name}")
        else:
            own[chosen][1](settings)
    except (StartupError, Unavailable) as error:
        sys.stderr.write(f"{name}: {error}\n")
        raise SystemExit(FAILED) from None


async def _serve(settings: Settings, serve: Callable[[Settings, Process], Awaitable[object]], process: Process) -> None:
    """Every service shows when its certificates run out, whatever else it does."""
    show_expiry(CertificateFiles(settings), process.instruments.registry)
    await serve(settings, process)


def _check(settings: Settings, check: Command[Settings]) -> None:
    """Say whether the settings can be used; ends the process with 2 where they cannot."""
    try:
        CertificateFiles(settings)
        check(settings)
    except (StartupError, ValueError) as error:
        sys.stderr.write(f"{settings.service}: {error}\n")
        raise SystemExit(BAD_SETTINGS) from None
    sys.stdout.write(f"{settings.service}: the settings are good\n")
