"""Bybit's documents about contracts and their prices."""

from typing import Any

from deploy.sandbox.core.prices import PriceBoard
from deploy.sandbox.core.records import Quote
from deploy.sandbox.core.symbols import Contract
from deploy.sandbox.wire import fixed, on_grid, plain

OPEN_INTEREST = 10_000
FUNDING_MS = 28_800_000


def contract_document(contract: Contract) -> dict[str, Any]:
    """A row of instruments-info."""
    return {
        "symbol": contract.symbol,
        "contractType": "LinearPerpetual",
        "status": "Trading",
        "baseCoin": contract.base,
        "quoteCoin": "USDT",
        "launchTime": str(contract.onboarded_ms),
        "deliveryTime": "0",
        "deliveryFeeRate": "",
        "priceScale": str(max(0, -contract.tick.normalize().adjusted())),
        "leverageFilter": {"minLeverage": "1", "maxLeverage": f"{contract.max_leverage}.00", "leverageStep": "0.01"},
        "priceFilter": {
            "minPrice": plain(contract.tick),
            "maxPrice": plain(contract.round_price(contract.price * 100)),
            "tickSize": f"{contract.tick:f}",
        },
        "lotSizeFilter": {
            "maxOrderQty": plain(contract.max_quantity),
            "minOrderQty": plain(contract.min_quantity),
            "qtyStep": plain(contract.step),
            "postOnlyMaxOrderQty": plain(contract.max_quantity),
            "maxMktOrderQty": plain(contract.max_market_quantity),
            "minNotionalValue": plain(contract.min_notional),
        },
        "unifiedMarginTrade": True,
        "fundingInterval": 480,
        "settleCoin": "USDT",
        "copyTrading": "both",
        "symbolId": 5,
        "riskParameters": {"priceLimitRatioX": "0.01", "priceLimitRatioY": "0.02"},
        "upperFundingRate": "0.00375",
        "lowerFundingRate": "-0.00375",
        "isPreListing": False,
        "preListingInfo": None,
        "displayName": "",
        "symbolType": "",
    }


def ticker_row(quote: Quote, board: PriceBoard) -> dict[str, Any]:
    """A row of tickers: without the stream's tick direction, with what only a contract that expires fills in."""
    row = {name: value for name, value in ticker_document(quote, board).items() if name != "tickDirection"}
    dated = ("predictedDeliveryPrice", "basisRate", "basis", "basisRateYear", "deliveryFeeRate")
    return {**row, **dict.fromkeys(dated, ""), "deliveryTime": "0"}


def ticker_document(quote: Quote, board: PriceBoard) -> dict[str, Any]:
    """The stream's snapshot of a symbol."""
    contract, depth = board.contracts[quote.symbol], board.depth(quote.symbol)
    tick = contract.tick
    # The venue's sizes are never still; this is what tells a quiet symbol from a dead socket.
    size = on_grid((250_000 + quote.time_ms // 1000 % 1000) / quote.last, contract.step)
    return {
        "symbol": quote.symbol,
        "tickDirection": "PlusTick",
        "price24hPcnt": fixed((quote.last - quote.opening) / quote.opening, 6),
        "lastPrice": on_grid(quote.last, tick),
        "prevPrice24h": on_grid(quote.opening, tick),
        "highPrice24h": on_grid(quote.high, tick),
        "lowPrice24h": on_grid(quote.low, tick),
        "prevPrice1h": on_grid(quote.opening, tick),
        "markPrice": plain(quote.mark),
        "indexPrice": plain(quote.mark),
        "openInterest": str(OPEN_INTEREST),
        "openInterestValue": fixed(quote.mark * OPEN_INTEREST, 2),
        "turnover24h": fixed(quote.last * 100_000, 4),
        "volume24h": "100000",
        "nextFundingTime": str(quote.time_ms - quote.time_ms % FUNDING_MS + FUNDING_MS),
        "fundingRate": "0",
        "fundingIntervalHour": "8",
        "fundingCap": "0.005",
        "preOpenPrice": "",
        "preQty": "",
        "curPreListingPhase": "",
        "bid1Price": on_grid(depth.bid, tick),
        "bid1Size": size,
        "ask1Price": on_grid(depth.ask, tick),
        "ask1Size": size,
    }
