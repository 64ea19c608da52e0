"""The account's own endpoints: positions, wallet, settings, ledger, the key itself.

The venue's own user id is `userID` of GET /v5/user/query-api.
"""

from datetime import UTC, datetime
from typing import Any

from deploy.sandbox.core.records import LEGS, ZERO, Position
from deploy.sandbox.core.venue import Venue
from deploy.sandbox.wire import Call, plain

from .documents import ledger_document, position_document, wallet_document
from .errors import BybitError, empty_list, invalid, not_played, require_category
from .trading import page, read_window

DAY_MS = 86_400_000
YEAR_MS = 365 * DAY_MS


class Accounts:
    """Answers about one account, and its settings."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._board = venue.board

    def positions(self, call: Call) -> Any:
        """Positions by settle coin: those that are held. By symbol: its legs, flat ones too."""
        if not require_category(call.text("category")):
            return empty_list(call.text("category"))
        symbol, held = call.text("symbol"), call.view(call.book)
        if not symbol and not call.text("settleCoin") and not call.text("baseCoin"):
            raise BybitError(10001, "params error: symbol, baseCoin or settleCoin is required")
        rows = sorted(held, key=lambda position: (position.symbol, position.leg))
        if symbol:
            if symbol not in self._board.contracts:
                raise BybitError(10001, "params error: symbol invalid")
            shown = {position.leg: position for position in held if position.symbol == symbol}
            wanted = ("LONG", "SHORT") if call.book.account.hedge else ("BOTH",)
            rows = [shown.get(LEGS[leg]) or Position(call.book.account.id, symbol, LEGS[leg]) for leg in wanted]
        elif call.text("settleCoin") not in ("", "USDT"):
            rows = []
        chosen, cursor = page(call, rows, 20, 200)
        documents = [position_document(call.book, position, self._board) for position in chosen]
        return {"category": "linear", "list": documents, "nextPageCursor": cursor}

    def wallet(self, call: Call) -> Any:
        if call.text("accountType") != "UNIFIED":
            raise BybitError(10001, "accountType only support UNIFIED.")
        return {"list": [wallet_document(call.book)]}

    def info(self, call: Call) -> Any:
        return {
            "unifiedMarginStatus": 6,
            "marginMode": "REGULAR_MARGIN",
            "isMasterTrader": False,
            "spotHedgingStatus": "OFF",
            "updatedTime": str(call.book.account.created_ms),
            "dcpStatus": "OFF",
            "timeWindow": 0,
            "smpGroup": 0,
        }

    def fee_rates(self, call: Call) -> Any:
        symbol = call.text("symbol")
        return {
            "category": "linear",
            "list": [
                {
                    "symbol": contract.symbol,
                    "baseCoin": "",
                    "takerFeeRate": plain(contract.taker_fee),
                    "makerFeeRate": plain(contract.maker_fee),
                }
                for contract in self._board.contracts.values()
                if symbol in ("", contract.symbol)
            ],
        }

    def key(self, call: Call) -> Any:
        if call.login is None:
            raise LookupError("the call is not signed")
        key, account = call.login.key, call.book.account
        created = datetime.fromtimestamp(key.created_ms // 1000, UTC)
        expires = datetime.fromtimestamp((key.created_ms + YEAR_MS) // 1000, UTC)
        wallet = ["AccountTransfer", "SubMemberTransfer"] + (["Withdraw"] if key.withdraw else [])
        return {
            "id": "13770661",
            "note": "sandbox",
            "apiKey": key.api_key,
            "readOnly": 0 if key.trading or key.withdraw else 1,
            "secret": "",
            "permissions": {
                "ContractTrade": ["Order", "Position"] if key.trading else [],
                "Spot": [],
                "Wallet": wallet if key.trading or key.withdraw else [],
                "Options": [],
                "Derivatives": [],
                "CopyTrading": [],
                "BlockTrade": [],
                "Exchange": [],
                "NFT": [],
                "Affiliate": [],
                "Earn": [],
                "FiatP2P": [],
                "FiatConvertBroker": [],
                "FiatGlobalPay": [],
                "FiatBitPay": [],
                "BitCard": [],
                "ByXPost": [],
            },
            "ips": ["*"],
            "type": 1,
            "deadlineDay": 83,
            "expiredAt": expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "createdAt": created.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "unified": 0,
            "uta": 1,
            "userID": int(account.id),
            "inviterID": 0,
            "vipLevel": "No VIP",
            "mktMakerLevel": "0",
            "affiliateID": 0,
            "rsaPublicKey": "",
            "isMaster": True,
            "parentUid": "0",
            "kycLevel": "LEVEL_DEFAULT",
            "kycRegion": "",
            "userIDInt64": "0",
            "inviterIDInt64": "0",
            "affiliateIDInt64": "0",
        }

    def ledger(self, call: Call) -> Any:
        """Trades, funding and transfers with the wallet after each, newest first; by default of one day."""
        fills = {fill.id: fill for fill in call.book.fills}
        start, end = read_window(call, self._venue.now_ms(), unasked_ms=DAY_MS)
        balance, rows = ZERO, []
        for line in call.book.incomes:
            balance += line.amount
            if start <= line.time_ms <= end and line.kind != "REALIZED_PNL":
                rows.append(ledger_document(line, fills.get(line.trade_id), balance))
        asked = {name: call.text(name) for name in ("type", "category", "currency") if call.text(name)}
        chosen = [row for row in reversed(rows) if all(row[name] == value for name, value in asked.items())]
        shown, cursor = page(call, chosen, 20, 50)
        return {"list": shown, "nextPageCursor": cursor}

    def set_leverage(self, call: Call) -> Any:
        buy, sell = call.text("buyLeverage"), call.text("sellLeverage")
        try:
            leverage = int(float(buy))
        except ValueError:
            raise invalid("buyLeverage") from None
        if buy != sell:
            raise BybitError(10001, "buy leverage should equal to sell leverage")
        self._venue.set_leverage(call.book, call.text("symbol"), leverage)
        return {}

    def switch_mode(self, call: Call) -> Any:
        mode = call.text("mode")
        if mode not in ("0", "3"):
            raise invalid("mode")
        if call.text("symbol"):
            raise not_played("position mode by symbol; give coin=USDT")
        self._venue.set_hedge(call.book, hedge=mode == "3")
        return {}

    def coins(self, call: Call) -> Any:
        return {"rows": []}
