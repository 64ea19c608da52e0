"""Binance's REST dialect: paths, who may call them, their weight, signatures.

Invariant: a signed request is let in only with a known key, its HMAC over exactly the text that was sent
(query then body, without the signature), and a timestamp no older than recvWindow and no further than one
second ahead of the venue's clock.
"""

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Literal, NamedTuple
from urllib.parse import parse_qsl

from deploy.sandbox.core.refusals import Refused
from deploy.sandbox.core.venue import Venue
from deploy.sandbox.weights import MinuteWeight
from deploy.sandbox.wire import Answer, Call, Login, PositionView, Request

from .accounts import Accounts
from .algo import AlgoTrading
from .errors import BinanceError, from_refusal, missing
from .listen_keys import ListenKeys
from .market import Market
from .trading import Trading

DEFAULT_RECV_WINDOW_MS = 5000
LARGEST_RECV_WINDOW_MS = 60000
AHEAD_MS = 1000
SIGNATURE = re.compile(r"&?signature=[^&]*")
Access = Literal["OPEN", "KEY", "SIGNED", "TRADE"]


class Endpoint(NamedTuple):
    """What answers, who may ask, and what it weighs (without a symbol, where that differs)."""

    answer: Callable[[Call], Any]
    access: Access
    weight: int
    weight_of_all: int | None = None


class BinanceRest:
    """The venue's HTTP side."""

    def __init__(self, venue: Venue, listen_keys: ListenKeys, weight_limit: int) -> None:
        self.venue = venue
        self.weights = MinuteWeight(weight_limit, venue.now_ms)
        market, trading, algo = Market(venue, weight_limit), Trading(venue), AlgoTrading(venue)
        accounts = Accounts(venue, listen_keys)
        self._endpoints = {
            ("GET", "/fapi/v1/ping"): Endpoint(market.ping, "OPEN", 1),
            ("GET", "/fapi/v1/time"): Endpoint(market.time, "OPEN", 1),
            ("GET", "/fapi/v1/exchangeInfo"): Endpoint(market.exchange_info, "OPEN", 1),
            ("GET", "/fapi/v1/depth"): Endpoint(market.depth, "OPEN", 10),
            ("GET", "/fapi/v1/ticker/24hr"): Endpoint(market.day_ticker, "OPEN", 1, 40),
            ("GET", "/fapi/v1/ticker/price"): Endpoint(market.price, "OPEN", 1, 2),
            ("GET", "/fapi/v2/ticker/price"): Endpoint(market.price, "OPEN", 1, 2),
            ("GET", "/fapi/v1/ticker/bookTicker"): Endpoint(market.book_ticker, "OPEN", 2, 5),
            ("GET", "/fapi/v1/premiumIndex"): Endpoint(market.premium_index, "OPEN", 1, 10),
            ("GET", "/fapi/v1/fundingInfo"): Endpoint(market.funding_info, "OPEN", 1),
            ("GET", "/fapi/v1/klines"): Endpoint(market.candles, "OPEN", 5),
            ("GET", "/fapi/v1/markPriceKlines"): Endpoint(market.mark_candles, "OPEN", 5),
            ("POST", "/fapi/v1/order"): Endpoint(trading.create, "TRADE", 0),
            ("POST", "/fapi/v1/order/test"): Endpoint(trading.test, "TRADE", 0),
            ("GET", "/fapi/v1/order"): Endpoint(trading.query, "SIGNED", 1),
            ("DELETE", "/fapi/v1/order"): Endpoint(trading.cancel, "TRADE", 1),
            ("DELETE", "/fapi/v1/allOpenOrders"): Endpoint(trading.cancel_all, "TRADE", 1),
            ("GET", "/fapi/v1/openOrder"): Endpoint(trading.query_open, "SIGNED", 1),
            ("GET", "/fapi/v1/openOrders"): Endpoint(trading.list_open, "SIGNED", 1, 40),
            ("GET", "/fapi/v1/allOrders"): Endpoint(trading.list_all, "SIGNED", 5),
            ("POST", "/fapi/v1/batchOrders"): Endpoint(trading.batch, "TRADE", 5),
            ("GET", "/fapi/v1/userTrades"): Endpoint(trading.list_trades, "SIGNED", 5),
            ("GET", "/fapi/v1/forceOrders"): Endpoint(trading.list_forced, "SIGNED", 20, 50),
            ("POST", "/fapi/v1/algoOrder"): Endpoint(algo.create, "TRADE", 0),
            ("GET", "/fapi/v1/algoOrder"): Endpoint(algo.query, "SIGNED", 1),
            ("DELETE", "/fapi/v1/algoOrder"): Endpoint(algo.cancel, "TRADE", 1),
            ("DELETE", "/fapi/v1/algoOpenOrders"): Endpoint(algo.cancel_all, "TRADE", 1),
            ("GET", "/fapi/v1/openAlgoOrders"): Endpoint(algo.list_open, "SIGNED", 1, 40),
            ("GET", "/fapi/v1/allAlgoOrders"): Endpoint(algo.list_all, "SIGNED", 5),
            ("GET", "/fapi/v3/positionRisk"): Endpoint(accounts.positions, "SIGNED", 5),
            ("GET", "/fapi/v2/positionRisk"): Endpoint(accounts.positions_v2, "SIGNED", 5),
            ("GET", "/fapi/v3/account"): Endpoint(accounts.account, "SIGNED", 5),
            ("GET", "/fapi/v2/account"): Endpoint(accounts.account_v2, "SIGNED", 5),
            ("GET", "/fapi/v3/balance"): Endpoint(accounts.balance, "SIGNED", 5),
            ("GET", "/fapi/v2/balance"): Endpoint(accounts.balance, "SIGNED", 5),
            ("GET", "/fapi/v1/income"): Endpoint(accounts.income, "SIGNED", 30),
            ("GET", "/fapi/v1/symbolConfig"): Endpoint(accounts.symbol_config, "SIGNED", 5),
            ("GET", "/fapi/v1/accountConfig"): Endpoint(accounts.account_config, "SIGNED", 5),
            ("GET", "/fapi/v1/commissionRate"): Endpoint(accounts.commission_rate, "SIGNED", 20),
            ("GET", "/fapi/v1/leverageBracket"): Endpoint(accounts.brackets, "SIGNED", 1),
            ("GET", "/fapi/v1/positionSide/dual"): Endpoint(accounts.hedge_mode, "SIGNED", 30),
            ("POST", "/fapi/v1/positionSide/dual"): Endpoint(accounts.set_hedge_mode, "TRADE", 1),
            ("POST", "/fapi/v1/leverage"): Endpoint(accounts.set_leverage, "TRADE", 1),
            ("POST", "/fapi/v1/marginType"): Endpoint(accounts.set_margin_type, "TRADE", 1),
            ("POST", "/fapi/v1/listenKey"): Endpoint(accounts.open_listen_key, "KEY", 1),
            ("PUT", "/fapi/v1/listenKey"): Endpoint(accounts.extend_listen_key, "KEY", 1),
            ("DELETE", "/fapi/v1/listenKey"): Endpoint(accounts.close_listen_key, "KEY", 1),
            # The spot host's weight is counted apart at the venue; here they weigh nothing.
            ("GET", "/sapi/v1/account/apiRestrictions"): Endpoint(accounts.restrictions, "SIGNED", 0),
            ("GET", "/sapi/v1/capital/config/getall"): Endpoint(accounts.coins, "SIGNED", 0),
            ("GET", "/sapi/v1/margin/allAssets"): Endpoint(accounts.coins, "KEY", 0),
            ("GET", "/api/v3/account"): Endpoint(accounts.spot_account, "SIGNED", 0),
            ("GET", "/api/v3/time"): Endpoint(market.time, "OPEN", 0),
        }

    def key_of(self, request: Request) -> str:
        return request.headers.get("X-MBX-APIKEY", "")

    def run(self, request: Request, view: PositionView, fill_fraction: Decimal | None) -> Answer:
        endpoint = self._endpoints.get((request.method, request.path))
        if endpoint is None:
            return Answer({"code": -5000, "msg": f"Path {request.path}, Method {request.method} is invalid"}, 404)
        params = dict(
            parse_qsl(request.query, keep_blank_values=True) + parse_qsl(request.body, keep_blank_values=True)
        )
        weight = endpoint.weight
        if endpoint.weight_of_all is not None and not params.get("symbol"):
            weight = endpoint.weight_of_all
        key = self.venue.keys.get(self.key_of(request))
        orders = request.method == "POST" and request.path in ("/fapi/v1/order", "/fapi/v1/algoOrder")
        charge = self.weights.charge(weight, key.account_id if orders and key else "")
        if charge.refused is not None:
            return self._limited(*charge.refused, charge.headers)
        try:
            login = self._log_in(request, params, endpoint.access)
            call = Call(
                method=request.method,
                path=request.path,
                params=params,
                login=login,
                view=view,
                fill_fraction=fill_fraction,
            )
            return Answer(endpoint.answer(call), 200, charge.headers)
        except BinanceError as error:
            return Answer(error.document(), error.status, charge.headers)
        except Refused as refusal:
            refused = from_refusal(refusal)
            return Answer(refused.document(), refused.status, charge.headers)

    def fail(self, status: int, code: int | None, message: str, headers: Mapping[str, str]) -> Answer:
        return Answer({"code": -1000 if code is None else code, "msg": message}, status, headers)

    def _limited(self, status: int, wait_ms: int, headers: Mapping[str, str]) -> Answer:
        if status == 418:
            until = self.venue.now_ms() + wait_ms
            message = f"Way too many requests; IP(127.0.0.1) banned until {until}."
        else:
            message = f"Too many requests; current limit of IP(127.0.0.1) is {self.weights.limit} requests per minute."
        hint = " Please use the websocket for live updates to avoid bans."
        return Answer({"code": -1003, "msg": message + hint}, status, headers)

    def _log_in(self, request: Request, params: Mapping[str, str], access: Access) -> Login | None:
        if access == "OPEN":
            return None
        api_key = self.key_of(request)
        if not api_key:
            raise BinanceError(-2014, "API-key format invalid.", 401)
        key = self.venue.keys.get(api_key)
        if key is None:
            raise BinanceError(-2015, "Invalid API-key, IP, or permissions for action, request ip: 127.0.0.1", 401)
        if access != "KEY":
            self._check_signature(request, params, key.secret)
        if access == "TRADE" and not key.trading:
            raise BinanceError(-2015, "Invalid API-key, IP, or permissions for action, request ip: 127.0.0.1", 401)
        return Login(self.venue.books[key.account_id], key)

    def _check_signature(self, request: Request, params: Mapping[str, str], secret: str) -> None:
        for name in ("timestamp", "signature"):
            if not params.get(name):
                raise missing(name)
        if not params["timestamp"].isdigit():
            raise BinanceError(-1100, "Illegal characters found in parameter 'timestamp'.")
        window = params.get("recvWindow", str(DEFAULT_RECV_WINDOW_MS))
        if not window.isdigit() or int(window) > LARGEST_RECV_WINDOW_MS:
            raise BinanceError(-1131, "recvWindow must be less than 60000")
        now_ms, sent_ms = request.received_ms or self.venue.now_ms(), int(params["timestamp"])
        if sent_ms > now_ms + AHEAD_MS:
            raise BinanceError(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
        if now_ms - sent_ms > int(window):
            raise BinanceError(-1021, "Timestamp for this request is outside of the recvWindow.")
        text = SIGNATURE.sub("", request.query) + SIGNATURE.sub("", request.body)
        expected = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected, params["signature"]):
            raise BinanceError(-1022, "Signature for this request is not valid.")
