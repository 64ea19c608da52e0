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


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({"Retry-After": "9" * 30}, ""),
        ({"Retry-After": "9" * 5000}, ""),
        ({"Retry-After": "999999999"}, ""),
        ({"Retry-After": "\u00b2"}, ""),
        ({"Retry-After": "-5"}, ""),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, ""),
        ({"X-Bapi-Limit-Reset-Timestamp": "9" * 30}, ""),
        ({}, "IP(1.2.3.4) banned until 9999999999999."),
    ],
)
@pytest.mark.parametrize("status", [429, 418, 403])
@pytest.mark.parametrize("venue", list(Venue))
def test_an_odd_time_to_come_back_is_a_time_all_the_same(
    venue: Venue, status: int, headers: dict[str, str], message: str
) -> None:
    # A ban of years would stop every process until somebody restarts them all.
    answer = Answer(status=status, headers=headers, body=f'{{"code": -1003, "msg": "{message}"}}')
    retry_at = classify_answer(venue, answer, NOON).retry_at
    assert retry_at is None or NOON < retry_at <= NOON + timedelta(days=3)


@pytest.mark.parametrize("headers", [{"Retry-After": "0"}, {"Retry-After": "00"}])
def test_a_ban_that_is_over_at_once_is_none_that_says_when_it_ends(headers: dict[str, str]) -> None:
    # It would be no ban, and the next request would lengthen the real one.
    answer = Answer(status=418, headers=headers, body='{"code": -1003, "msg": "banned"}')
    assert classify_answer(Venue.BINANCE, answer, NOON).retry_at is None


def test_the_reset_of_an_accounts_limit_does_not_end_the_ban_of_an_address() -> None:
    reset = str(int((NOON + timedelta(milliseconds=200)).timestamp() * 1000))
    for status, body in ((403, "<html>"), (200, '{"retCode": 10018, "retMsg": "Exceeded the IP Rate Limit."}')):
        answer = Answer(status=status, headers={"X-Bapi-Limit-Reset-Timestamp": reset}, body=body)
        found = classify_answer(Venue.BYBIT, answer, NOON)
        assert found.kind is VenueErrorKind.BANNED
        assert found.retry_at is None


def test_a_refused_signature_shows_nothing_of_what_was_signed() -> None:
    body = '{"retCode": 10004, "retMsg": "error sign! origin_string[1658384431891KEYKEYKEYKEY5000category=linear]"}'
    found = classify_answer(Venue.BYBIT, Answer(status=200, body=body), NOON)
    assert found.kind is VenueErrorKind.BAD_KEY
    assert "KEYKEYKEYKEY" not in str(found)
    assert "error sign" in str(found)


@pytest.mark.parametrize("code", [10003, 10005, 10010])
def test_one_users_key_does_not_stop_all_reading_whatever_the_status(code: int) -> None:
    answer = Answer(status=403, body=f'{{"retCode": {code}, "retMsg": "Unmatched IP"}}')
    kind = classify_answer(Venue.BYBIT, answer, NOON).kind
    assert kind in (VenueErrorKind.BAD_KEY, VenueErrorKind.NOT_PERMITTED)
