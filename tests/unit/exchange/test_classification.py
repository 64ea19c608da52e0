"""What went wrong at a venue, told from its code, its status and, at last, from ccxt's exception."""

from datetime import timedelta

import aiohttp
import ccxt
import pytest

from services.common.exchange.classification import Answer, classify, classify_answer
from services.common.exchange.credentials import Credentials
from services.common.exchange.errors import VenueError, VenueErrorKind
from services.common.exchange.scrub import scrub
from services.common.trading.side import Venue
from tests.factories import NOON


def of_transport(error: Exception, cause: BaseException | None = None) -> VenueError:
    error.__cause__ = cause
    return classify(Venue.BINANCE, error, Answer(), NOON)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ccxt.RequestTimeout("x"), VenueErrorKind.TIMEOUT),
        (ccxt.ExchangeNotAvailable("x"), VenueErrorKind.CONNECTION),
        (ccxt.ExchangeError("payload"), VenueErrorKind.CONNECTION),
        (ConnectionResetError(), VenueErrorKind.CONNECTION),
    ],
)
def test_without_an_answer_the_outcome_is_unknown(error: Exception, kind: VenueErrorKind) -> None:
    found = of_transport(error)
    assert found.kind is kind
    assert found.outcome_unknown


def test_a_refused_connection_sent_nothing() -> None:
    key = aiohttp.client_reqrep.ConnectionKey("x", 1, False, True, None, None, None)
    refused = aiohttp.ClientConnectorError(key, OSError("refused"))
    found = of_transport(ccxt.ExchangeNotAvailable("x"), refused)
    assert found.kind is VenueErrorKind.UNREACHABLE
    assert not found.outcome_unknown


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, ""), (200, "<html>"), (200, '{"orderId": 1'), (200, "{}"), (502, "<html>"), (504, "")],
)
def test_an_answer_that_says_nothing_leaves_the_outcome_open(status: int, body: str) -> None:
    assert classify_answer(Venue.BINANCE, Answer(status=status, body=body), NOON).outcome_unknown


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("current position is zero, cannot fix reduce-only order qty", VenueErrorKind.NOTHING_TO_REDUCE),
        ("orderQty will be truncated to zero.", VenueErrorKind.REDUCE_ONLY_CONFLICT),
    ],
)
def test_bybits_reduce_only_refusals_are_told_apart(message: str, kind: VenueErrorKind) -> None:
    body = f'{{"retCode": 110017, "retMsg": "{message}"}}'
    assert classify_answer(Venue.BYBIT, Answer(status=200, body=body), NOON).kind is kind


def test_too_many_orders_of_one_account_is_no_ban_of_the_address() -> None:
    answer = Answer(status=429, body='{"code": -1015, "msg": "Too many new orders"}')
    assert classify_answer(Venue.BINANCE, answer, NOON).kind is VenueErrorKind.RATE_LIMITED


def test_when_to_come_back_is_read_from_the_header_or_from_the_text() -> None:
    by_header = Answer(status=429, headers={"Retry-After": "17"}, body='{"code": -1003, "msg": "slow down"}')
    assert classify_answer(Venue.BINANCE, by_header, NOON).retry_at == NOON + timedelta(seconds=17)
    reset = int((NOON + timedelta(seconds=3)).timestamp() * 1000)
    by_limit = Answer(headers={"X-Bapi-Limit-Reset-Timestamp": str(reset)}, status=200, body='{"retCode": 10006}')
    assert classify_answer(Venue.BYBIT, by_limit, NOON).retry_at == NOON + timedelta(seconds=3)
    until = int((NOON + timedelta(minutes=5)).timestamp() * 1000)
    by_text = Answer(status=418, body=f'{{"code": -1003, "msg": "IP banned until {until}. Please use"}}')
    assert classify_answer(Venue.BINANCE, by_text, NOON).retry_at == NOON + timedelta(minutes=5)


def test_an_error_text_holds_no_query_and_no_secret() -> None:
    text = scrub(
        "binanceusdm GET https://fapi.binance.com/fapi/v3/account?timestamp=1&signature=abcdef "
        "{'X-MBX-APIKEY': 'KEYKEYKEY', \"secret\": \"hush\"} listenKey=LISTENTOME"
    )
    for secret in ("abcdef", "KEYKEYKEY", "hush", "LISTENTOME"):
        assert secret not in text
    assert "fapi.binance.com" in text


def test_credentials_show_neither_secret_nor_key() -> None:
    credentials = Credentials("abcdefghijkl", "hush")
    for text in (repr(credentials), str(credentials), f"{credentials}", repr([credentials])):
        assert "hush" not in text
        assert "abcdefghijkl" not in text
