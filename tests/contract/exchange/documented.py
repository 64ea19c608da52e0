"""Response examples of the venues' public documentation, as data in `examples`.

The door reads them, and the sandbox is compared with them: neither is checked against the other alone.
Each file names the page (`page`) and the stored text of that page in which its example was looked up (`read_in`, with
the commit: the page may have changed since). The messages were typed anew from there, a row or two of each list; none
was recorded. Comments are left out; commas that a page forgot, a stray tab, and dots for what it leaves out are mended.
A file with `note` in place of `read_in` is not the page's example: its page could not be looked up, and its values are
ours. Bybit's pages of the endpoints for tickers and candles have no example of a linear contract; its streams' have.
"""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).parent / "examples"


def files(venue: str = "*") -> list[Path]:
    return sorted(EXAMPLES.glob(f"{venue}_*.json"))


def content(path: Path) -> Any:
    return json.loads(path.read_text())


def example(name: str) -> Any:
    """The message as the door gets it, fractional numbers as Decimal."""
    return json.loads((EXAMPLES / f"{name}.json").read_text(), parse_float=Decimal)["message"]


def text(name: str) -> str:
    """The message as it comes over a stream."""
    return json.dumps(content(EXAMPLES / f"{name}.json")["message"])
