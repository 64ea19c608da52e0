"""`python -m deploy.configuration`: writes docs/configuration.md from the services' settings classes.

`--check` writes nothing, and ends with 1 where the file is not what it would be made to now.
"""

import sys
from enum import Enum
from pathlib import Path

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from services.common.config import ServiceSettings
from services.gateway.config import GatewaySettings
from services.monitor.config import MonitorSettings
from services.positions.config import PositionsSettings
from services.reconciler.config import ReconcilerSettings

PAGE = Path(__file__).resolve().parents[1] / "docs" / "configuration.md"
SERVICES: tuple[type[ServiceSettings], ...] = (PositionsSettings, ReconcilerSettings, MonitorSettings, GatewaySettings)
HEAD = """# Configuration of the services

This page is made from the settings classes (`python -m deploy.configuration`). A setting is read from the environment,
else from a file of its lower-case name in the directory that `SECRETS_DIR` names; a secret belongs in such a file. A
setting that is wrong ends the process with exit code 2 and one line that names it and never shows its value.

What the local stack itself is told is in [README](../README.md#settings).
"""
TABLE = "| setting | default | meaning |\n|---|---|---|\n"


def write_page() -> str:
    """The whole page."""
    shared = set(SERVICES[0].model_fields)
    for settings in SERVICES[1:]:
        shared &= set(settings.model_fields)
    parts = [HEAD, "\n## Every service\n\n", TABLE, *_rows(SERVICES[0], shared)]
    for settings in SERVICES:
        own = set(settings.model_fields) - shared
        parts += [f"\n## {settings.service}\n\n", TABLE, *_rows(settings, own)]
    return "".join(parts)


def _rows(settings: type[ServiceSettings], wanted: set[str]) -> list[str]:
    return [
        f"| `{name.upper()}` | {_default(field)} | {_meaning(field)} |\n"
        for name, field in settings.model_fields.items()
        if name in wanted
    ]


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**needed**"
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is None or value is PydanticUndefined or value in ("", [], ()):
        return ""
    return f"`{value.value if isinstance(value, Enum) else value}`"


def _meaning(field: FieldInfo) -> str:
    secret = "secret: " if SecretStr.__name__ in str(field.annotation) else ""
    return f"{secret}{field.description}".replace("|", "\\|")


def main(arguments: list[str]) -> int:
    """Write or check the page; returns the exit code."""
    page = write_page()
    if "--check" not in arguments:
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(page)
        return 0
    if not PAGE.exists() or PAGE.read_text() != page:
        sys.stderr.write("docs/configuration.md is not what the settings say: python -m deploy.configuration\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
