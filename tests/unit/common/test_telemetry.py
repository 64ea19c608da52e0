"""Logs: one JSON line each, and no secret in any."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest

from services.common.telemetry import REDACTED, Instruments, configure_logging, redact, scrub

SECRET = "hunter2hunter2"


@pytest.fixture
def lines() -> Iterator[Any]:
    """Logs of this test as parsed lines."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream, before = io.StringIO(), structlog.get_config()
    configure_logging("positions", "INFO", stream)

    def read() -> list[dict[str, Any]]:
        out = stream.getvalue()
        assert SECRET not in out
        return [json.loads(line) for line in out.splitlines()]

    yield read
    root.handlers[:], root.level = handlers, level
    structlog.configure(**before)
    structlog.contextvars.clear_contextvars()


def test_a_log_is_one_json_line_with_service_time_level_and_context(lines: Any) -> None:
    structlog.contextvars.bind_contextvars(request_id="r-1")
    structlog.get_logger("here").info("position opened", position_id="OP_1_1", count=2, flag=True, none=None)
    (line,) = lines()
    assert line.pop("time").endswith("Z")
    assert line == {
        "event": "position opened",
        "service": "positions",
        "logger": "here",
        "level": "info",
        "request_id": "r-1",
        "position_id": "OP_1_1",
        "count": 2,
        "flag": True,
        "none": None,
    }


def test_the_standard_librarys_loggers_come_out_the_same_way(lines: Any) -> None:
    logging.getLogger("library").warning("retry %s of %d", "https://user:hunter2hunter2@host/path", 3)
    (line,) = lines()
    assert line["event"] == f"retry https://{REDACTED}@host/path of 3"
    assert (line["logger"], line["level"], line["service"]) == ("library", "warning", "positions")


def test_below_the_level_nothing_is_written(lines: Any) -> None:
    structlog.get_logger("here").debug("noise")
    assert lines() == []


def test_an_exception_is_in_the_line_without_its_secrets(lines: Any) -> None:
    try:
        raise RuntimeError(f"GET /fapi/v1/order?symbol=BTCUSDT&signature={SECRET}&x=1")
    except RuntimeError:
        structlog.get_logger("here").exception("failed")
    (line,) = lines()
    assert "RuntimeError" in line["exception"]
    assert f"signature={REDACTED}&x=1" in line["exception"]


@pytest.mark.parametrize(
    "key",
    [
        "secret", "apiKey", "api_key", "api-key", "X-MBX-APIKEY", "signature", "token", "jwt_token", "password",
        "nats_password", "passwd", "Authorization", "Cookie", "private_key", "credentials",
    ],
)  # fmt: skip
def test_a_value_under_a_telling_key_is_redacted_however_deep(lines: Any, key: str) -> None:
    structlog.get_logger("here").info("call", **{key: SECRET}, nested={"list": [{key: SECRET}], "other": "kept"})
    (line,) = lines()
    assert line[key] == REDACTED
    assert line["nested"] == {"list": [{key: REDACTED}], "other": "kept"}


@pytest.mark.parametrize(
    "text",
    [
        f"symbol=BTC&signature={SECRET}",
        f"apiKey={SECRET}&x=1",
        f'{{"secret": "{SECRET}", "x": 1}}',
        f"{{'api_key': '{SECRET}'}}",
        f"password: {SECRET}",
        f"postgresql://role:{SECRET}@host:5432/db",
        f"nats://{SECRET}@host",
        f"Authorization: Bearer {SECRET}.x.y",
        f"ws://host/ws?token={SECRET}",
        f"listenKey ok, access_token={SECRET}; next",
    ],
)
def test_a_secret_inside_a_string_is_scrubbed(text: str) -> None:
    scrubbed = scrub(text)
    assert SECRET not in scrubbed
    assert REDACTED in scrubbed


@pytest.mark.parametrize(
    "text", ["the token of the user", "max_tokens 20", "https://host/path?x=1", "a@b.c", "price=1", "signed at 12:00"]
)
def test_plain_text_stays(text: str) -> None:
    assert scrub(text) == text


def test_values_that_are_no_text_are_shown_as_text_and_scrubbed() -> None:
    class Odd:
        def __str__(self) -> str:
            return f"odd secret={SECRET}"

    event = redact(None, "info", {"odd": Odd(), "bytes": f"signature={SECRET}".encode(), "set": {1}})
    assert event == {"odd": f"odd secret={REDACTED}", "bytes": f"signature={REDACTED}", "set": [1]}


@given(st.text())
def test_scrubbing_never_fails_and_is_done_in_one_go(text: str) -> None:
    assert scrub(scrub(text)) == scrub(text)


def test_instruments_belong_to_their_registry() -> None:
    one, other = Instruments(CollectorRegistry()), Instruments(CollectorRegistry())
    one.outbox_depth.set(3)
    assert b"tandem_outbox_depth 3.0" in generate_latest(one.registry)
    assert b"tandem_outbox_depth 0.0" in generate_latest(other.registry)
