"""Every message that the door reads has an example from the venue's documentation."""

import importlib
import pkgutil
from pathlib import Path

import pytest

import services.common.exchange
from services.common.exchange.client import Endpoint
from tests.contract.exchange import documented

STREAMS = {
    "binance": {
        "mark_price", "mini_ticker", "order_update", "account_update", "algo_update", "trade_lite", "margin_call",
        "leverage_update", "listen_key_expired",
    },
    "bybit": {"ticker_snapshot", "position", "order", "execution", "wallet", "login", "subscribed"},
}  # fmt: skip


def endpoints() -> set[str]:
    """Every endpoint that some module of the door asks."""
    package = services.common.exchange
    names = [module.name for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")]
    found = [value for name in names for value in vars(importlib.import_module(name)).values()]
    tables = [one for value in found if isinstance(value, dict) for one in value.values()]
    asked = [one for one in [*found, *tables] if isinstance(one, Endpoint)]
    return {f"{one.method} {one.section}/{one.path}" for one in asked}


@pytest.mark.parametrize("path", documented.files(), ids=lambda path: path.stem)
def test_each_example_names_its_page_and_where_it_was_looked_up(path: Path) -> None:
    file = documented.content(path)
    assert file["page"].startswith(
        (
            "https://developers.binance.com/docs/",
            "https://bybit-exchange.github.io/docs/v5/",
            # The same page in Chinese, where its example says more: a linear contract, an account that holds something.
            "https://bybit-exchange.github.io/docs/zh-TW/v5/",
        )
    )
    if "note" in file:
        assert "ours" in file["note"]
        assert "read_in" not in file
    else:
        assert file["read_in"].startswith("https://github.com/")
    assert file["message"]


def test_every_answer_that_the_door_reads_has_an_example() -> None:
    files = [documented.content(path) for path in documented.files()]
    assert endpoints() - {file.get("answer_to") for file in files} == set()


@pytest.mark.parametrize("venue", STREAMS)
def test_every_stream_that_the_door_follows_has_an_example(venue: str) -> None:
    assert {
        name for name in STREAMS[venue] if not (documented.EXAMPLES / f"{venue}_stream_{name}.json").exists()
    } == set()
