"""The account's own endpoints: positions, balances, settings, ledger, key permissions, listen keys.

The venue's own user id is `uid` of GET /api/v3/account (spot's account endpoint; USD-M has none).
"""

from typing import Any

from deploy.sandbox.core.book import Book
from deploy.sandbox.core.records import ZERO, Position
from deploy.sandbox.core.refusals import Fact, Refused
from deploy.sandbox.core.venue import Venue
from deploy.sandbox.wire import Call, fixed, on_grid, plain

from .documents import income_document, position_document
from .errors import BinanceError, missing, not_played
from .listen_keys import ListenKeys
from .trading import WEEK_MS, read_flag, read_int


class Accounts:
    """Answers about one account, and its settings."""

    def __init__(self, venue: Venue, listen_keys: ListenKeys) -> None:
        self._venue = venue
        self._board = venue.board
        self._listen_keys = listen_keys

    # Positions and balances.

    def positions(self, call: Call) -> Any:
        """Legs with a position or an open order, as v3 gives them."""
        symbol = call.text("symbol")
        rows = {(position.symbol, position.leg): position for position in call.view(call.book)}
        for order in call.book.open.values():
            rows.setdefault((order.symbol, order.leg), call.book.position(order.symbol, order.leg))
        return [
            position_document(call.book, position, self._board)
            for position in rows.values()
            if symbol in ("", position.symbol)
        ]

    def positions_v2(self, call: Call) -> Any:
        return [{**row, **self._settings(call.book, row["symbol"])} for row in self.positions(call)]

    def account(self, call: Call) -> Any:
        book = call.book
        margin = book.margin()
        asset = {
            "asset": "USDT",
            "walletBalance": fixed(margin.wallet, 8),
            "unrealizedProfit": fixed(margin.unrealised, 8),
            "marginBalance": fixed(margin.equity, 8),
            "maintMargin": fixed(margin.maintenance, 8),
            "initialMargin": fixed(margin.position_initial + margin.order_initial, 8),
            "positionInitialMargin": fixed(margin.position_initial, 8),
            "openOrderInitialMargin": fixed(margin.order_initial, 8),
            "crossWalletBalance": fixed(margin.wallet, 8),
            "crossUnPnl": fixed(margin.unrealised, 8),
            "availableBalance": fixed(margin.available, 8),
            "maxWithdrawAmount": fixed(min(margin.available, max(margin.wallet, ZERO)), 8),
            "updateTime": self._venue.now_ms(),
        }
        return {
            "totalInitialMargin": asset["initialMargin"],
            "totalMaintMargin": asset["maintMargin"],
            "totalWalletBalance": asset["walletBalance"],
            "totalUnrealizedProfit": asset["unrealizedProfit"],
            "totalMarginBalance": asset["marginBalance"],
            "totalPositionInitialMargin": asset["positionInitialMargin"],
            "totalOpenOrderInitialMargin": asset["openOrderInitialMargin"],
            "totalCrossWalletBalance": asset["crossWalletBalance"],
            "totalCrossUnPnl": asset["crossUnPnl"],
            "availableBalance": asset["availableBalance"],
            "maxWithdrawAmount": asset["maxWithdrawAmount"],
            "assets": [asset],
            "positions": [self._account_position(book, position) for position in call.view(book)],
        }

    def account_v2(self, call: Call) -> Any:
        key = call.login.key if call.login else None
        flags = {
            "feeTier": 0, "feeBurn": False, "canTrade": bool(key and key.trading), "canDeposit": True,
            "canWithdraw": bool(key and key.withdraw), "updateTime": 0, "multiAssetsMargin": False, "tradeGroupId": -1,
        }  # fmt: skip
        answer = self.account(call)
        for row in answer["positions"]:
            position = call.book.positions[row["symbol"], row["positionSide"]]
            row.update(
                leverage=str(call.book.leverage(row["symbol"])),
                isolated=False,
                entryPrice=plain(position.entry),
                maxNotional=plain(call.book.largest_notional(row["symbol"])),
            )
        return {**flags, **answer}

    def balance(self, call: Call) -> Any:
        margin = call.book.margin()
        return [
            {
                "accountAlias": call.book.account.alias,
                "asset": "USDT",
                "balance": fixed(margin.wallet, 8),
                "crossWalletBalance": fixed(margin.wallet, 8),
                "crossUnPnl": fixed(margin.unrealised, 8),
                "availableBalance": fixed(margin.available, 8),
                "maxWithdrawAmount": fixed(min(margin.available, max(margin.wallet, ZERO)), 8),
                "marginAvailable": True,
                "updateTime": self._venue.now_ms(),
            }
        ]

    def income(self, call: Call) -> Any:
        symbol, kind = call.text("symbol"), call.text("incomeType")
        limit = min(read_int(call, "limit", 100), 1000)
        end = read_int(call, "endTime", self._venue.now_ms())
        # Unlike the trade list, a window longer than seven days is allowed here; without one it is seven.
        start = read_int(call, "startTime", end - WEEK_MS)
        lines = [
            line
            for line in call.book.incomes
            if symbol in ("", line.symbol) and kind in ("", line.kind) and start <= line.time_ms <= end
        ]
        page = max(1, read_int(call, "page", 1)) - 1
        chosen = lines[page * limit : (page + 1) * limit] if call.text("startTime") else lines[-limit:]
        return [income_document(line) for line in chosen]

    # Settings.

    def symbol_config(self, call: Call) -> Any:
        symbols = [call.text("symbol")] if call.text("symbol") else list(self._board.contracts)
        if symbols[0] not in self._board.contracts:
            raise BinanceError(-1121, "Invalid symbol.")
        return [
            {
                "symbol": symbol,
                "marginType": "CROSSED",
                "isAutoAddMargin": False,
                "leverage": call.book.leverage(symbol),
                "maxNotionalValue": plain(call.book.largest_notional(symbol)),
            }
            for symbol in symbols
        ]

    def account_config(self, call: Call) -> Any:
        return {
            "feeTier": 0,
            "canTrade": bool(call.login and call.login.key.trading),
            "canDeposit": True,
            "canWithdraw": bool(call.login and call.login.key.withdraw),
            "dualSidePosition": call.book.account.hedge,
            "updateTime": 0,
            "multiAssetsMargin": False,
            "tradeGroupId": -1,
        }

    def commission_rate(self, call: Call) -> Any:
        contract = self._board.contracts.get(call.text("symbol"))
        if contract is None:
            raise BinanceError(-1121, "Invalid symbol.")
        return {
            "symbol": contract.symbol,
            "makerCommissionRate": plain(contract.maker_fee),
            "takerCommissionRate": plain(contract.taker_fee),
        }

    def brackets(self, call: Call) -> Any:
        symbol = call.text("symbol")
        if symbol and symbol not in self._board.contracts:
            raise BinanceError(-1121, "Invalid symbol.")
        return [
            {
                "symbol": contract.symbol,
                "notionalCoef": 1.0,
                "brackets": [
                    {
                        "bracket": number,
                        "initialLeverage": bracket.leverage,
                        "notionalCap": int(bracket.cap),
                        "notionalFloor": int(bracket.floor),
                        "maintMarginRatio": float(bracket.rate),
                        "cum": float(bracket.cumulative),
                    }
                    for number, bracket in enumerate(contract.brackets, 1)
                ],
            }
            for contract in self._board.contracts.values()
            if symbol in ("", contract.symbol)
        ]

    def hedge_mode(self, call: Call) -> Any:
        return {"dualSidePosition": call.book.account.hedge}

    def set_hedge_mode(self, call: Call) -> Any:
        if not call.text("dualSidePosition"):
            raise missing("dualSidePosition")
        self._venue.set_hedge(call.book, hedge=read_flag(call, "dualSidePosition"))
        return {"code": 200, "msg": "success"}

    def set_leverage(self, call: Call) -> Any:
        symbol, leverage = call.text("symbol"), read_int(call, "leverage", 0)
        try:
            self._venue.set_leverage(call.book, symbol, leverage)
        except Refused as refusal:
            # Binance answers the same again; it does not mind being asked for what is already so.
            if refusal.fact is not Fact.LEVERAGE_SAME:
                raise
        return {
            "leverage": leverage,
            "maxNotionalValue": plain(call.book.largest_notional(symbol)),
            "symbol": symbol,
        }

    def set_margin_type(self, call: Call) -> Any:
        if call.text("symbol") not in self._board.contracts:
            raise BinanceError(-1121, "Invalid symbol.")
        if call.text("marginType") == "CROSSED":
            raise BinanceError(-4046, "No need to change margin type.")
        raise not_played("isolated margin")

    # Keys and listen keys.

    def restrictions(self, call: Call) -> Any:
        if call.login is None:
            raise missing("signature")
        key = call.login.key
        return {
            "ipRestrict": key.ip_restrict,
            "createTime": key.created_ms,
            "enableReading": True,
            "enableSpotAndMarginTrading": False,
            "enableWithdrawals": key.withdraw,
            "enableInternalTransfer": False,
            "enableMargin": False,
            "enableFutures": key.trading,
            "permitsUniversalTransfer": False,
            "enableVanillaOptions": False,
            "enableFixApiTrade": False,
            "enableFixReadOnly": False,
            "enablePortfolioMarginTrading": False,
        }

    def spot_account(self, call: Call) -> Any:
        key = call.login.key if call.login else None
        return {
            "makerCommission": 10,
            "takerCommission": 10,
            "buyerCommission": 0,
            "sellerCommission": 0,
            "commissionRates": {"maker": "0.00100000", "taker": "0.00100000", "buyer": "0", "seller": "0"},
            "canTrade": bool(key and key.trading),
            "canWithdraw": bool(key and key.withdraw),
            "canDeposit": True,
            "brokered": False,
            "requireSelfTradePrevention": False,
            "preventSor": False,
            "updateTime": call.book.account.created_ms,
            "accountType": "SPOT",
            "balances": [],
            "permissions": ["SPOT"],
            "uid": int(call.book.account.id),
        }

    def coins(self, call: Call) -> Any:
        return []

    def open_listen_key(self, call: Call) -> Any:
        return {"listenKey": self._listen_keys.open(call.book.account.id)}

    def extend_listen_key(self, call: Call) -> Any:
        listen_key = self._listen_keys.extend(call.book.account.id)
        if listen_key is None:
            raise BinanceError(-1125, "This listenKey does not exist.")
        return {"listenKey": listen_key}

    def close_listen_key(self, call: Call) -> Any:
        self._listen_keys.close(call.book.account.id)
        return {}

    def _settings(self, book: Book, symbol: str) -> dict[str, Any]:
        return {
            "leverage": str(book.leverage(symbol)),
            "maxNotionalValue": plain(book.largest_notional(symbol)),
            "marginType": "cross",
            "isAutoAddMargin": "false",
            "isolated": False,
            "adlQuantile": 2,
        }

    def _account_position(self, book: Book, position: Position) -> dict[str, Any]:
        contract = self._board.contracts[position.symbol]
        initial = fixed(book.initial(position), 8)
        return {
            "symbol": position.symbol,
            "positionSide": position.leg,
            "positionAmt": on_grid(position.amount, contract.step),
            "unrealizedProfit": fixed(book.unrealised(position), 8),
            "isolatedMargin": "0",
            "notional": fixed(book.notional(position), 8),
            "isolatedWallet": "0",
            "initialMargin": initial,
            "maintMargin": fixed(book.maintenance(position), 8),
            "updateTime": position.updated_ms,
        }
