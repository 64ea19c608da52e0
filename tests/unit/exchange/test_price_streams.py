"""Reading raw price messages: only what is wanted, mark and last apart, deltas over snapshots."""

import json

from services.common.exchange.binance.price_stream import BinancePriceStream
from services.common.exchange.bybit.price_stream import BybitPriceStream
from services.common.exchange.prices import PriceKind


def ticker(kind: str, stamp: int, **data: str) -> str:
    return json.dumps({"topic": "tickers.BTCUSDT", "type": kind, "ts": stamp, "data": {"symbol": "BTCUSDT", **data}})


def test_a_delta_without_a_price_carries_the_price_on() -> None:
    stream = BybitPriceStream()
    list(stream.read(ticker("snapshot", 1, markPrice="100", lastPrice="101"), {"BTCUSDT"}, 1))
    prices = {
        price.kind: (str(price.price), price.venue_time_ms)
        for price in stream.read(ticker("delta", 2, lastPrice="102"), {"BTCUSDT"}, 2)
    }
    assert prices == {PriceKind.MARK: ("100", 2), PriceKind.LAST: ("102", 2)}


def test_a_delta_after_a_reconnect_says_nothing_of_what_it_does_not_hold() -> None:
    stream = BybitPriceStream()
    list(stream.read(ticker("snapshot", 1, markPrice="100", lastPrice="101"), {"BTCUSDT"}, 1))
    stream.greeting()
    kinds = [price.kind for price in stream.read(ticker("delta", 2, lastPrice="102"), {"BTCUSDT"}, 2)]
    assert kinds == [PriceKind.LAST]


def test_a_refused_batch_is_asked_for_one_by_one() -> None:
    stream = BybitPriceStream()
    [request] = stream.changes(["AUSDT", "BUSDT"], [])
    number = json.loads(request)["req_id"]
    refusal = json.dumps({"success": False, "ret_msg": "handler not found", "req_id": number, "op": "subscribe"})
    assert list(stream.read(refusal, {"AUSDT", "BUSDT"}, 1)) == []
    singles = [json.loads(message)["args"] for message in stream.replies()]
    assert singles == [["tickers.AUSDT"], ["tickers.BUSDT"]]
    assert stream.replies() == []


def test_unwanted_symbols_and_other_messages_are_skipped() -> None:
    stream = BinancePriceStream()
    marks = json.dumps([
        {"e": "markPriceUpdate", "E": 1, "s": "BTCUSDT", "p": "1"},
        {"e": "markPriceUpdate", "E": 1, "s": "ETHUSDT", "p": "2"},
    ])  # fmt: skip
    assert [price.symbol for price in stream.read(marks, {"ETHUSDT"}, 1)] == ["ETHUSDT"]
    for message in ('{"result":null,"id":1}', "not json", "[", '[{"e":"other","E":1,"s":"ETHUSDT"}]'):
        assert list(stream.read(message, {"ETHUSDT"}, 1)) == []


def test_a_price_that_is_no_number_is_skipped() -> None:
    message = json.dumps([{"e": "markPriceUpdate", "E": 1, "s": "ETHUSDT", "p": "NaN"}])
    assert list(BinancePriceStream().read(message, {"ETHUSDT"}, 1)) == []
