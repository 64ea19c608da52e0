"""Private streams: every message is a hint, and each new stream says that what came before went unheard."""

import asyncio

import pytest

from services.common.exchange.binance.private_stream import NEW_LISTEN_KEY, BinancePrivateStream
from services.common.exchange.credentials import Credentials
from services.common.exchange.errors import VenueError, VenueErrorKind
from services.common.exchange.private_dialect import StreamEnded
from services.common.exchange.streams import AccountStream, Hint, HintKind
from tests.contract.exchange.world import World, eventually, resyncs, watching


async def test_a_trade_by_hand_is_a_hint_about_its_symbol(world: World) -> None:
    hints: list[Hint] = []
    async with watching(world, hints) as stream:
        assert hints[0].kind is HintKind.RESYNC
        await world.trade("buy", "1")
        kinds = {HintKind.POSITION, HintKind.FILL}
        await eventually(lambda: kinds <= {hint.kind for hint in hints if hint.symbol == world.symbol})
        assert stream.heard_at is not None


async def test_nobody_else_hears_of_it(world: World) -> None:
    account = await world.sandbox.post("accounts", exchange=world.venue.value)
    elsewhere = await world.sandbox.mint_symbol()
    hints: list[Hint] = []
    async with watching(world, hints):
        await world.sandbox.post(
            "trade",
            exchange=world.venue.value, apiKey=account["apiKey"], symbol=elsewhere, side="buy", quantity="1",
        )  # fmt: skip
        await world.trade("buy", "2")
        await eventually(lambda: any(hint.kind is HintKind.FILL for hint in hints))
    # What the other account did came first: it would have been heard by now.
    assert {hint.symbol for hint in hints if hint.kind is HintKind.FILL} == {world.symbol}


async def test_a_lost_stream_is_opened_again_with_a_resync(world: World) -> None:
    hints: list[Hint] = []
    async with watching(world, hints):
        await world.fault("stream_close", times=1)
        await world.trade("buy", "1")
        await eventually(lambda: resyncs(hints) >= 2)
        await world.sandbox.clear_faults()
        count = len(hints)
        await world.trade("sell", "1")
        await eventually(lambda: any(hint.symbol == world.symbol for hint in hints[count:]))


async def test_an_expired_listen_key_is_replaced(binance: World) -> None:
    hints: list[Hint] = []
    async with watching(binance, hints):
        await binance.fault("listen_key_expired")
        await eventually(lambda: resyncs(hints) >= 2)
        count = len(hints)
        await binance.trade("buy", "1")
        await eventually(lambda: any(hint.symbol == binance.symbol for hint in hints[count:]))


async def test_the_listen_key_is_renewed(binance: World) -> None:
    async with watching(binance, [], BinancePrivateStream(renew_seconds=0.05)):

        async def renewed() -> bool:
            asked = (await binance.sandbox.get("requests"))["binance"]["byKey"][binance.credentials.api_key]
            puts = [count for path, count in asked.items() if path.startswith("PUT") and "listenKey" in path]
            return bool(puts) and puts[0] >= 2

        await eventually(renewed)


async def test_a_stream_that_turned_deaf_hears_again_once_it_is_opened_anew(world: World) -> None:
    hints: list[Hint] = []
    async with watching(world, hints) as stream:
        await world.fault("stream_deaf")
        await world.trade("buy", "1")
        assert stream.listening, "its socket is up, and pings are answered"
        stream.reopen()
        await eventually(lambda: resyncs(hints) >= 2)
        assert {hint.kind for hint in hints} == {HintKind.RESYNC}
        await world.trade("sell", "1")
        await eventually(lambda: any(hint.symbol == world.symbol for hint in hints))


async def test_a_listen_key_that_is_gone_without_a_word_is_noticed_at_its_renewal(binance: World) -> None:
    hints: list[Hint] = []
    async with watching(binance, hints, BinancePrivateStream(renew_seconds=0.05)):
        await binance.fault("stream_deaf")
        await eventually(lambda: resyncs(hints) >= 2)
        await binance.trade("buy", "1")
        await eventually(lambda: any(hint.symbol == binance.symbol for hint in hints))


async def test_renewing_a_listen_key_that_somebody_else_has_made_since_ends_the_stream(binance: World) -> None:
    client = binance.venues.client(binance.venue, binance.credentials)
    stream = BinancePrivateStream()
    await stream.address(client)
    await stream.renew(client)
    await binance.fault("stream_deaf")
    await binance.call(NEW_LISTEN_KEY)
    with pytest.raises(StreamEnded):
        await stream.renew(client)


async def test_a_refused_key_ends_the_stream(world: World) -> None:
    wrong = Credentials("no-such-key", "wrong")
    stream = AccountStream(world.venues, world.venue, wrong, lambda _: None)
    with pytest.raises(VenueError) as raised:
        await asyncio.wait_for(stream.run(), 10)
    assert raised.value.kind is VenueErrorKind.BAD_KEY
