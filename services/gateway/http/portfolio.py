"""The portfolio: exposure, margin and profit over all accounts, from the live view."""

from decimal import Decimal
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends
from starlette.responses import Response

from protos.positions.v1 import live_pb2, types_pb2
from services.common.clock import Clock
from services.gateway.clients import LivePositions
from services.gateway.domain.portfolio import Exposure, Holding, add_up
from services.gateway.http import examples, words
from services.gateway.http.identity import Authenticate, Caller
from services.gateway.http.json import Document, instant, number, optional_instant, optional_number, plain, respond
from services.gateway.http.openapi import documented
from services.gateway.http.operations import ReadWarning, account_warning

_CENT_OF_CENT = Decimal("0.00000001")


class ExposureDocument(Document, kw_only=True, frozen=True):
    """Positions added up, quote currency: `exposure` gross, `netExposure` long less short, margin, unrealised profit.

    `unpriced` and `unmargined` count positions that the figures lack because the venue does not say.
    """

    positions: int
    exposure: Decimal
    net_exposure: Decimal
    margin: Decimal
    pnl: Decimal
    unpriced: int
    unmargined: int


class PortfolioDocument(Document, kw_only=True, frozen=True):
    """The whole and its parts, the largest first."""

    total: ExposureDocument
    by_exchange: dict[str, ExposureDocument]
    by_symbol: dict[str, ExposureDocument]
    by_side: dict[str, ExposureDocument]


class PortfolioAnswer(Document, kw_only=True, frozen=True):
    """What the caller holds now. `warnings` is there only when there are any."""

    success: bool = True
    portfolio: PortfolioDocument
    data_source: str
    timestamp: str
    warnings: list[ReadWarning] | msgspec.UnsetType = msgspec.UNSET


def portfolio_router(live: LivePositions, authenticate: Authenticate, clock: Clock) -> APIRouter:
    router = APIRouter(tags=["portfolio"])

    @router.get(
        "/api/portfolio",
        summary="Exposure, margin and profit by exchange, symbol and side",
        **documented(PortfolioAnswer, examples.PORTFOLIO),
    )
    async def portfolio(caller: Annotated[Caller, Depends(authenticate)]) -> Response:
        reading = await live.list_live(caller.user_id, types_pb2.EXCHANGE_UNSPECIFIED)
        whole = add_up(_holding(position) for position in reading.positions)
        return respond(
            PortfolioAnswer(
                portfolio=PortfolioDocument(
                    total=_exposure(whole.total),
                    by_exchange={key: _exposure(part) for key, part in whole.by_exchange.items()},
                    by_symbol={key: _exposure(part) for key, part in whole.by_symbol.items()},
                    by_side={key: _exposure(part) for key, part in whole.by_side.items()},
                ),
                data_source=words.data_source(reading.data_source),
                timestamp=optional_instant(reading.taken_at, present=reading.HasField("taken_at"))
                or instant(clock.now()),
                warnings=[account_warning(warning) for warning in reading.warnings] or msgspec.UNSET,
            )
        )

    return router


def _holding(position: live_pb2.LivePosition) -> Holding:
    notional, margin = optional_number(position.notional), optional_number(position.initial_margin)
    price, leverage = optional_number(position.current_price), optional_number(position.leverage)
    if notional is None and price is not None:
        notional = price * number(position.quantity)
    if margin is None and notional is not None and leverage:
        # Where the venue does not say what it keeps for this position: what it asks for to open one of this size.
        margin = notional / leverage
    return Holding(
        exchange=words.exchange(position.exchange),
        symbol=position.symbol,
        side=words.side(position.side),
        notional=notional,
        margin=margin,
        pnl=optional_number(position.pnl),
    )


def _exposure(exposure: Exposure) -> ExposureDocument:
    return ExposureDocument(
        positions=exposure.positions,
        exposure=_rounded(exposure.gross),
        net_exposure=_rounded(exposure.net),
        margin=_rounded(exposure.margin),
        pnl=_rounded(exposure.pnl),
        unpriced=exposure.unpriced,
        unmargined=exposure.unmargined,
    )


def _rounded(amount: Decimal) -> Decimal:
    """Eight decimals: as fine as a venue states money, where a quotient has no end."""
    return plain(amount.quantize(_CENT_OF_CENT))
