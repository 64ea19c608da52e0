"""Bybit's REST dialect: paths, who may call them, limits, signatures.

Invariant: a signed request is let in only with a known key, its HMAC over timestamp, key, receive window and
exactly the query or body that was sent, and a timestamp within the receive window before the venue's clock
and less than one second ahead of it.
"""

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Literal, NamedTuple
from urllib.parse import parse_qsl

from deploy.sandbox.core.refusals import Refused
from deploy.sandbox.core.venue import Venue
from deploy.sandbox.weights import SlidingCount
from deploy.sandbox.wire import Answer, Call, Login, PositionView, Request

from .accounts import Accounts
from .errors import BybitError, from_refusal
from .market import Market
from .trading import Soon, Trading

DEFAULT_RECV_WINDOW_MS = 5000
AHEAD_MS = 1000
Access = Literal["OPEN", "READ", "TRADE"]


class Endpoint(NamedTuple):
    """What answers, who may ask, and how often a second an account may."""

    answer: Callable[[Call], Any]
    access: Access
    per_second: int = 50


class BybitRest:
    """The venue's HTTP side."""

    def __init__(self, venue: Venue, limit: int, soon: Soon) -> None:
        self.venue = venue
        self.limits = SlidingCount(limit, venue.now_ms)
        market, trading, accounts = Market(venue), Trading(venue, soon), Accounts(venue)
        self._endpoints = {
            ("GET", "/v5/market/time"): Endpoint(market.time, "OPEN"),
            ("GET", "/v5/market/instruments-info"): Endpoint(market.instruments, "OPEN"),
            ("GET", "/v5/market/tickers"): Endpoint(market.tickers, "OPEN"),
            ("GET", "/v5/market/kline"): Endpoint(market.candles, "OPEN"),
            ("GET", "/v5/market/mark-price-kline"): Endpoint(market.mark_candles, "OPEN"),
            ("GET", "/v5/market/risk-limit"): Endpoint(market.risk_limits, "OPEN"),
            ("POST", "/v5/order/create"): Endpoint(trading.create, "TRADE", 10),
            ("POST", "/v5/order/cancel"): Endpoint(trading.cancel, "TRADE", 10),
            ("POST", "/v5/order/cancel-all"): Endpoint(trading.cancel_all, "TRADE", 10),
            ("GET", "/v5/order/realtime"): Endpoint(trading.list_open, "READ"),
            ("GET", "/v5/order/history"): Endpoint(trading.list_closed, "READ"),
            ("GET", "/v5/execution/list"): Endpoint(trading.list_executions, "READ"),
            ("GET", "/v5/position/list"): Endpoint(accounts.positions, "READ"),
            ("GET", "/v5/position/closed-pnl"): Endpoint(trading.list_closed_pnl, "READ"),
            ("POST", "/v5/position/set-leverage"): Endpoint(accounts.set_leverage, "TRADE", 10),
            ("POST", "/v5/position/switch-mode"): Endpoint(accounts.switch_mode, "TRADE", 10),
            ("POST", "/v5/position/trading-stop"): Endpoint(trading.set_trading_stop, "TRADE", 10),
            ("GET", "/v5/account/wallet-balance"): Endpoint(accounts.wallet, "READ"),
            ("GET", "/v5/account/info"): Endpoint(accounts.info, "READ"),
            ("GET", "/v5/account/fee-rate"): Endpoint(accounts.fee_rates, "READ", 10),
            ("GET", "/v5/account/transaction-log"): Endpoint(accounts.ledger, "READ", 30),
            ("GET", "/v5/user/query-api"): Endpoint(accounts.key, "READ", 10),
            ("GET", "/v5/asset/coin/query-info"): Endpoint(accounts.coins, "READ", 5),
        }

    def key_of(self, request: Request) -> str:
        return request.headers.get("X-BAPI-API-KEY", "")

    def run(self, request: Request, view: PositionView, fill_fraction: Decimal | None) -> Answer:
        if not self.limits.charge_address():
            return Answer("403, access too frequent", 403)
        endpoint = self._endpoints.get((request.method, request.path))
        if endpoint is None:
            return self._answer(10404, f"path not found: {request.path}", {}, 404, {})
        headers: Mapping[str, str] = {}
        try:
            login = self._log_in(request, endpoint.access)
            if login is not None:
                charge = self.limits.charge_endpoint(login.book.account.id, request.path, endpoint.per_second)
                headers = charge.headers
                if charge.refused is not None:
                    raise BybitError(10006, "Too many visits. Exceeded the API Rate Limit.")
            call = Call(
                method=request.method,
                path=request.path,
                params=read_params(request),
                login=login,
                view=view,
                fill_fraction=fill_fraction,
            )
            return self._answer(0, "OK", endpoint.answer(call), 200, headers)
        except BybitError as error:
            return self._answer(error.code, error.message, {}, error.status, headers)
        except Refused as refusal:
            refused = from_refusal(refusal)
            return self._answer(refused.code, refused.message, {}, refused.status, headers)

    def fail(self, status: int, code: int | None, message: str, headers: Mapping[str, str]) -> Answer:
        return self._answer(10016 if code is None else code, message, {}, status, headers)

    def _answer(self, code: int, message: str, result: Any, status: int, headers: Mapping[str, str]) -> Answer:
        document = {
            "retCode": code,
            "retMsg": message,
            "result": result,
            "retExtInfo": {},
            "time": self.venue.now_ms(),
        }
        return Answer(document, status, headers)

    def _log_in(self, request: Request, access: Access) -> Login | None:
        if access == "OPEN":
            return None
        api_key, sign = self.key_of(request), request.headers.get("X-BAPI-SIGN", "")
        sent, window = request.headers.get("X-BAPI-TIMESTAMP", ""), request.headers.get("X-BAPI-RECV-WINDOW", "")
        window = window or str(DEFAULT_RECV_WINDOW_MS)
        if not api_key or not sign or not sent.isdigit() or not window.isdigit():
            raise BybitError(10001, "empty value: apiTimestamp[] apiKey[] apiSignature[]", 401)
        key = self.venue.keys.get(api_key)
        if key is None:
            raise BybitError(10003, "API key is invalid.")
        now_ms = request.received_ms or self.venue.now_ms()
        if not now_ms - int(window) <= int(sent) < now_ms + AHEAD_MS:
            raise BybitError(
                10002,
                "invalid request, please check your server timestamp or recv_window param. "
                f"req_timestamp[{sent}],server_timestamp[{now_ms}],recv_window[{window}]",
            )
        text = sent + api_key + window + (request.query if request.method == "GET" else request.body)
        expected = hmac.new(key.secret.encode(), text.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected, sign):
            raise BybitError(10004, "error sign! please check the sign generation algorithm and params order.")
        if access == "TRADE" and not key.trading:
            raise BybitError(10005, "Permission denied, please check your API key permissions.")
        return Login(self.venue.books[key.account_id], key)


def read_params(request: Request) -> dict[str, Any]:
    """The query of a GET, the JSON body of a POST. Raises BybitError for a body that is not a JSON object."""
    if request.method == "GET":
        return dict(parse_qsl(request.query, keep_blank_values=True))
    try:
        params = json.loads(request.body or "{}", parse_float=str, parse_int=str)
    except ValueError:
        raise BybitError(10001, "params error: the body is not JSON") from None
    if not isinstance(params, dict):
        raise BybitError(10001, "params error: the body is not a JSON object")
    return params
