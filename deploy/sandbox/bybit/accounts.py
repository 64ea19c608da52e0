"""The account's own endpoints: positions, wallet, settings, ledger, the key itself.

The venue's own user id is `userID` of GET /v5/user/query-api.
"""

from datetime import UTC, datetime
from typing import Any

from deploy.sandbox.core.records import LEGS, ZERO, Position
from deploy.sandbox.core.venue import Venue
from deploy.sandbox.wire import Call, plain

from .documents import SIDES, position_document, wallet_document
from .errors import BybitError, empty_list, invalid, not_played, require_category
from .trading import page, read_int

YEAR_MS = 365 * 86_400_000


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
        """Trades and transfers with the wallet after each, newest first."""
        fills = {fill.id: fill for fill in call.book.fills}
        balance, rows = ZERO, []
        start, end = read_int(call, "startTime", 0), read_int(call, "endTime", 2**53)
        kinds = {"TRANSFER": "TRANSFER_IN", "INSURANCE_CLEAR": "LIQUIDATION"}
        for line in call.book.incomes:
            balance += line.amount
            fill = fills.get(line.trade_id)
            realised = line.kind == "REALIZED_PNL"
            if not start <= line.time_ms <= end or realised:
                # The venue has one line a trade: its commission's line, with the P&L in it.
                continue
            change = line.amount + (fill.realised if fill else ZERO)
            rows.append(
                {
                    "id": line.id,
                    "symbol": line.symbol,
                    "category": "linear",
                    "side": SIDES[fill.side] if fill else "None",
                    "transactionTime": str(line.time_ms),
                    "type": kinds.get(line.kind, "TRADE"),
                    "qty": plain(fill.quantity) if fill else "0",
                    "size": "0",
                    "currency": "USDT",
                    "tradePrice": plain(fill.price) if fill else "0",
                    "funding": "",
                    "fee": plain(fill.fee) if fill else "0",
                    "cashFlow": plain(fill.realised) if fill else plain(line.amount),
                    "change": plain(change),
                    "cashBalance": plain(balance),
                    "feeRate": "0",
                    "bonusChange": "0",
                    "transSubType": "",
                    "extraFees": "",
                    "tradeId": line.trade_id,
                    "orderId": fill.order_id if fill else "",
                    "orderLinkId": "",
                }
            )
        chosen, cursor = page(call, list(reversed(rows)), 20, 50)
        return {"list": chosen, "nextPageCursor": cursor}

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
