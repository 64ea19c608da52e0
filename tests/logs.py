"""What must never be in a log, looked for in all of them.

Invariant: what is found is told by its kind and where it is, never by its value.
"""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

_SHORTEST = 8
_SHAPES = {
    "a token": re.compile(r"eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{16,}"),
    "a signature": re.compile(r"(?i)\b(?:signature|x-bapi-sign)\W{1,4}[0-9a-f]{64}\b"),
    "a password": re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s:/@\"']+:(?!\[redacted\])[^\s/@\"']+@"),
}


def texts_in(document: Any) -> Iterator[str]:
    """Every text of a JSON document that is long enough to be a secret, names left out."""
    if isinstance(document, dict):
        for value in document.values():
            yield from texts_in(value)
    elif isinstance(document, list):
        for value in document:
            yield from texts_in(value)
    elif isinstance(document, str) and len(document) >= _SHORTEST:
        yield document


def leaks_in(logs: Path, secrets_file: Path, told: Iterable[str]) -> list[str]:
    """Where a log in this directory holds a secret: one of the stack's own, one of `told`, or what looks like one."""
    known = {*texts_in(json.loads(secrets_file.read_text())), *told}
    found = []
    for path in sorted(logs.glob("*.log*")):
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            kinds = [kind for kind, shape in _SHAPES.items() if shape.search(line)]
            if any(secret in line for secret in known):
                kinds.append("a secret that the test knows")
            found += [f"{path.name}:{number} holds {kind}" for kind in kinds]
    return found
