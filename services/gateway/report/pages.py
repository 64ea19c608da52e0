"""The pages of a report as PDF. What comes from users is drawn as it is, never read as markup."""

from collections.abc import Sequence
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle, getSampleStyleSheet
from reportlab.lib.units import mm
from reportlab.platypus import Flowable, KeepTogether, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from services.common.trading.money import format_decimal
from services.gateway.report.charts import draw_curve, draw_equity, draw_parts
from services.gateway.report.content import Figure, Part, Report, Trade, shown
from services.gateway.report.letters import LATIN, drawn

_MARGIN = 16 * mm
_WIDTH = A4[0] - 2 * _MARGIN
_HEAD = colors.HexColor("#eef1f5")
_RULE = colors.HexColor("#dde1e6")
_FIGURES_A_ROW = 4
_STYLES = getSampleStyleSheet()
_SMALL = ParagraphStyle("small", parent=_STYLES["Normal"], fontSize=8, textColor=colors.HexColor("#4a5260"))
_TABLE: list[Any] = [
    ("FONTSIZE", (0, 0), (-1, -1), 7),
    ("FONTNAME", (0, 0), (-1, 0), "Helvetica-Bold"),
    ("BACKGROUND", (0, 0), (-1, 0), _HEAD),
    ("LINEBELOW", (0, 0), (-1, -1), 0.4, _RULE),
    ("TOPPADDING", (0, 0), (-1, -1), 2),
    ("BOTTOMPADDING", (0, 0), (-1, -1), 2),
]


def write_pdf(report: Report) -> bytes:
    """The report as a PDF: the same report gives the same bytes."""
    file = BytesIO()
    template = SimpleDocTemplate(
        file,
        pagesize=A4,
        leftMargin=_MARGIN,
        rightMargin=_MARGIN,
        topMargin=_MARGIN,
        bottomMargin=_MARGIN,
        title=f"Tandem: performance, {report.period}",
        author="Tandem",
        invariant=1,
    )
    template.build(_story(report), onFirstPage=_number, onLaterPages=_number)
    return file.getvalue()


def _story(report: Report) -> list[Flowable]:
    story: list[Flowable] = [
        Paragraph("Performance", _STYLES["Title"]),
        Paragraph(
            f"Period: {report.period}. Made {_moment(report.made_at)} from the books; exact exits only, net of fees "
            "and funding, in quote currency.",
            _SMALL,
        ),
        Spacer(1, 5 * mm),
        _figures(report.figures),
        Spacer(1, 5 * mm),
    ]
    if report.curve:
        story.append(draw_curve(report.curve, _WIDTH))
        equity = draw_equity(report.curve, _WIDTH)
        story += [] if equity is None else [equity]
    else:
        story.append(Paragraph("No position was closed with an exact exit in this period.", _SMALL))
    if any(part.pnl is not None for part in report.by_symbol):
        story += [Spacer(1, 4 * mm), draw_parts(report.by_symbol, _WIDTH)]
    for name, parts in report.parts:
        if parts:
            story.append(KeepTogether([Paragraph(name, _STYLES["Heading3"]), _parts(parts)]))
    if report.trades:
        story += [Paragraph("Closed positions", _STYLES["Heading3"]), _trades(report.trades)]
    if report.more_trades:
        story.append(Paragraph(f"The latest {len(report.trades)}; the CSV export has them all.", _SMALL))
    return story


def _figures(figures: Sequence[Figure]) -> Table:
    rows: list[list[str]] = []
    for at in range(0, len(figures), _FIGURES_A_ROW):
        group = figures[at : at + _FIGURES_A_ROW]
        empty = [""] * (_FIGURES_A_ROW - len(group))
        rows += [[figure.name for figure in group] + empty, [figure.text for figure in group] + empty]
    style: list[Any] = [("BOX", (0, 0), (-1, -1), 0.5, _RULE), ("TOPPADDING", (0, 0), (-1, -1), 1)]
    for at in range(0, len(rows), 2):
        style += [
            ("FONTSIZE", (0, at), (-1, at), 7),
            ("TEXTCOLOR", (0, at), (-1, at), colors.HexColor("#4a5260")),
            ("FONTNAME", (0, at + 1), (-1, at + 1), "Helvetica-Bold"),
            ("FONTSIZE", (0, at + 1), (-1, at + 1), 10),
            ("LINEBELOW", (0, at + 1), (-1, at + 1), 0.4, _RULE),
            ("BOTTOMPADDING", (0, at + 1), (-1, at + 1), 5),
        ]
    return Table(rows or [[""]], colWidths=[_WIDTH / _FIGURES_A_ROW] * _FIGURES_A_ROW, style=TableStyle(style))


def _parts(parts: Sequence[Part]) -> Table:
    rows = [["", "Trades", "Won", "Profit"]]
    for part in parts:
        won = "\N{EN DASH}" if part.win_rate is None else f"{part.win_rate:.2f} %"
        rows.append([part.key, str(part.trades), won, shown(part.pnl, signed=True)])
    rows, fonts = _lettered(rows)
    style = TableStyle([*_TABLE, ("ALIGN", (1, 0), (-1, -1), "RIGHT"), *fonts])
    return Table(rows, colWidths=[_WIDTH * share for share in (0.4, 0.2, 0.2, 0.2)], style=style, repeatRows=1)


def _trades(trades: Sequence[Trade]) -> Table:
    head = ["Closed", "Position", "Venue", "Symbol", "Side", "Quantity", "Entry", "Exit", "Profit", "%", "Why"]
    rows, fonts = _lettered([head, *map(_trade, trades)])
    shares = (0.11, 0.14, 0.07, 0.10, 0.05, 0.09, 0.09, 0.09, 0.09, 0.06, 0.11)
    style = TableStyle([*_TABLE, ("FONTSIZE", (0, 0), (-1, -1), 5.5), ("ALIGN", (5, 0), (9, -1), "RIGHT"), *fonts])
    return Table(
        [[_cut(cell) for cell in row] for row in rows],
        colWidths=[_WIDTH * share for share in shares],
        style=style,
        repeatRows=1,
    )


def _trade(trade: Trade) -> list[str]:
    price = format_decimal(trade.exit_price) if trade.exit_price is not None else ""
    return [
        _moment(trade.closed_at) if trade.closed_at else "",
        trade.position_id,
        trade.exchange,
        trade.symbol,
        trade.side,
        format_decimal(trade.quantity),
        format_decimal(trade.entry_price),
        "estimated" if trade.estimated else price,
        shown(trade.pnl, signed=True),
        "" if trade.pnl_percent is None else f"{trade.pnl_percent:+.2f}",
        trade.reason.replace("_", " "),
    ]


def _lettered(rows: Sequence[Sequence[str]]) -> tuple[list[list[str]], list[Any]]:
    """The cells as they can be drawn, and the style of those that need another font."""
    cells = [[drawn(cell) for cell in row] for row in rows]
    fonts = [
        ("FONTNAME", (column, row), (column, row), font)
        for row, line in enumerate(cells)
        for column, (_, font) in enumerate(line)
        if font != LATIN
    ]
    return [[text for text, _ in line] for line in cells], fonts


def _cut(text: str) -> str:
    """What fits into a cell; a price at a venue never has more digits."""
    return text if len(text) <= 24 else f"{text[:23]}\N{HORIZONTAL ELLIPSIS}"


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M}"


def _number(canvas: Any, template: Any) -> None:
    canvas.setFont("Helvetica", 7)
    canvas.setFillColor(colors.HexColor("#4a5260"))
    canvas.drawRightString(A4[0] - _MARGIN, 9 * mm, f"Tandem \N{MIDDLE DOT} {template.page}")
