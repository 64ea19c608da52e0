"""What comes over the wire, however odd, and what a user gives for a key: a VenueError or a typed reading."""

import asyncio
from typing import Any

import pytest
from aiohttp import web

from services.common.exchange.budget import Lane
from services.common.exchange.client import Endpoint
from services.common.exchange.credentials import Credentials
from services.common.exchange.errors import VenueError, VenueErrorKind
from services.common.exchange.feed import FeedTimes, PriceFeed
from services.common.exchange.prices import PriceKind
from services.common.exchange.reader import VenueReader
from services.common.trading.side import Venue
from tests.contract.exchange.scripted import Script, venues_that
from tests.contract.exchange.world import eventually

CREDENTIALS = Credentials("key-of-nobody", "secret-of-nobody")
PATIENT = FeedTimes(silence_seconds=20, stale_seconds=20, poll_seconds=20, ping_seconds=20)
READ = {
    Venue.BINANCE: Endpoint("fapiPrivateV3", "GET", "account"),
    Venue.BYBIT: Endpoint("private", "GET", "v5/account/info"),
}


def of_text(text: str, status: int = 200) -> Script:
    return Script(answer=lambda _: web.Response(status=status, text=text, content_type="application/json"))


@pytest.mark.parametrize(
    "text",
    [
        '{"retCode": 0, "a": 1e9999999999999999999}',
        '{"retCode": 0, "a": NaN}',
        "[" * 50_000 + "]" * 50_000,
        '{"a":' * 50_000 + "1" + "}" * 50_000,
        '{"code": ' + "9" * 400 + ', "retCode": ' + "9" * 400 + "}",
        '{"code": true, "retCode": [], "msg": {}, "retMsg": {}}',
        "\ufeff{}",
        "null",
        "7",
        '"text"',
    ],
    ids=["exponent", "nan", "deep list", "deep object", "huge code", "odd code", "bom", "null", "number", "text"],
)
@pytest.mark.parametrize("status", [200, 400, 503])
@pytest.mark.parametrize("venue", list(Venue), ids=str)
async def test_an_answer_that_nothing_can_be_made_of_is_a_venue_error(venue: Venue, status: int, text: str) -> None:
    async with venues_that(of_text(text, status)) as venues:
        client = venues.client(venue, CREDENTIALS)
        try:
            content = await client.call(READ[venue], lane=Lane.LIVE)
        except VenueError:
            return
        assert isinstance(content, dict)


@pytest.mark.parametrize("stamp", ["null", "[]", '"soon"', "1e400", "0", "1700000000", "1500000000000", "9" * 30])
@pytest.mark.parametrize("venue", list(Venue), ids=str)
async def test_a_venue_that_does_not_know_the_time_moves_no_clock(venue: Venue, stamp: str) -> None:
    def answer(request: web.Request) -> web.Response:
        if request.path.endswith("/time"):
            text = f'{{"serverTime": {stamp}, "retCode": 0, "result": {{}}, "time": {stamp}}}'
            return web.Response(text=text, content_type="application/json")
        refusal = {"code": -1021, "msg": "x"} if venue is Venue.BINANCE else {"retCode": 10002, "retMsg": "x"}
        return web.json_response(refusal, status=400)

    async with venues_that(Script(answer=answer)) as venues:
        client = venues.client(venue, CREDENTIALS)
        with pytest.raises(VenueError) as raised:
            await client.call(READ[venue], lane=Lane.LIVE)
        assert raised.value.kind is VenueErrorKind.CLOCK
        ours = int(venues.now().timestamp() * 1000)
        assert abs(client.venue_milliseconds() - ours) < 60_000


SECRETS = [
    Credentials("a-key", "-----BEGIN PRIVATE KEY-----\nnot a key\n-----END PRIVATE KEY-----"),
    Credentials("a-key", "-----BEGIN RSA PRIVATE KEY-----" + "A" * 200),
    Credentials("a\r\nX-Other: key", "a-secret"),
    Credentials("a\0key", "a-secret"),
    Credentials("ключ", "секрет"),
    Credentials("\ud800", "\ud800"),
    Credentials("", ""),
]


@pytest.mark.parametrize("credentials", SECRETS, ids=["pem", "rsa", "newline", "null", "cyrillic", "surrogate", "none"])
@pytest.mark.parametrize("venue", list(Venue), ids=str)
async def test_a_key_that_nothing_can_be_signed_with_is_a_bad_key(venue: Venue, credentials: Credentials) -> None:
    code = {"code": -2014} if venue is Venue.BINANCE else {"retCode": 10003}
    refusal = {**code, "msg": "API-key format invalid.", "retMsg": "API key is invalid."}
    script = Script(answer=lambda _: web.json_response(refusal, status=401))
    async with venues_that(script) as venues:
        report = await VenueReader(venues).verify_key(venue, credentials)
        assert report.valid is False
        assert "secret" not in report.reason
        assert "PRIVATE" not in report.reason


async def test_however_many_streams_are_kept_a_request_has_a_connection() -> None:
    # Streams hold their connections for good: 256 of them left none for readings and orders, which timed out unsent.
    script = of_text('{"uid": 1}')
    async with venues_that(script, read_timeout_seconds=2.0) as venues:
        feeds = [PriceFeed(venues, Venue.BYBIT, lambda _: None, PATIENT) for _ in range(260)]
        running = [asyncio.create_task(feed.run()) for feed in feeds]
        try:
            await eventually(lambda: script.opened == len(feeds), seconds=5)
            assert await venues.client(Venue.BINANCE, CREDENTIALS).call(READ[Venue.BINANCE], lane=Lane.LIVE) == {
                "uid": 1
            }
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)


def elsewhere(request: web.Request) -> web.Response:
    return web.Response(status=302, headers={"Location": "https://fapi.binance.com/fapi/v1/time"})


async def test_a_redirection_is_not_followed_out_of_the_sandbox() -> None:
    async with venues_that(Script(answer=elsewhere), read_timeout_seconds=2.0) as venues:
        with pytest.raises(VenueError) as raised:
            await venues.client(Venue.BINANCE, CREDENTIALS).call(READ[Venue.BINANCE], lane=Lane.LIVE)
    assert raised.value.code == "http_302"


@pytest.mark.parametrize("price", ["0", "0.00000000", "-1", "", None, 0])
@pytest.mark.parametrize("venue", list(Venue), ids=str)
async def test_a_price_of_nothing_is_no_price(venue: Venue, price: Any) -> None:
    # Of a contract that does not trade yet, or no more: whoever divides by it, or sets a stop by it, must not have it.
    stamp = 1_700_000_000_000
    row = {"symbol": "X", "markPrice": price, "lastPrice": price, "price": price, "time": stamp}
    answer = row if venue is Venue.BINANCE else {"retCode": 0, "result": {"list": [row]}, "time": stamp}
    script = Script(answer=lambda _: web.json_response(answer))
    async with venues_that(script) as venues:
        for kind in PriceKind:
            with pytest.raises(VenueError) as raised:
                await VenueReader(venues).read_price(venue, "X", kind)
            assert raised.value.kind is VenueErrorKind.BAD_ANSWER


@pytest.mark.parametrize("stamp", [None, "", 0, 1_700_000_000, 10**15, 10**30, "soon"])
@pytest.mark.parametrize("venue", list(Venue), ids=str)
async def test_a_price_without_a_time_that_can_be_meant_is_no_price(venue: Venue, stamp: Any) -> None:
    row = {"symbol": "X", "markPrice": "1", "lastPrice": "1", "price": "1", "time": stamp}
    answer = row if venue is Venue.BINANCE else {"retCode": 0, "result": {"list": [row]}, "time": stamp}
    async with venues_that(Script(answer=lambda _: web.json_response(answer))) as venues:
        with pytest.raises(VenueError) as raised:
            await VenueReader(venues).read_price(venue, "X")
        assert raised.value.kind is VenueErrorKind.BAD_ANSWER
