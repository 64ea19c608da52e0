"""The charts of a report: profit with its drawdown, equity, and profit by symbol."""

from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from reportlab.graphics.charts.barcharts import HorizontalBarChart
from reportlab.graphics.charts.lineplots import LinePlot
from reportlab.graphics.shapes import Drawing, String
from reportlab.lib import colors

from services.gateway.report.content import CurvePoint, Part, shown, thin
from services.gateway.report.letters import drawn

_WON = colors.HexColor("#1a7f4b")
_LOST = colors.HexColor("#c0392b")
_LINE = colors.HexColor("#2457a6")
_GRID = colors.HexColor("#dde1e6")
_TEXT = colors.HexColor("#4a5260")
_MOST_POINTS = 400
_MOST_BARS = 15
_LEFT = 62
_TICKS = 6


def draw_curve(points: Sequence[CurvePoint], width: float) -> Drawing:
    """Profit above, and below it how far it was from its highest, over the same days."""
    drawing = Drawing(width, 250)
    kept = thin(points, _MOST_POINTS)
    days = [point.day.toordinal() for point in kept]
    profit = _plot(drawing, days, [point.profit for point in kept], width, bottom=100, height=130)
    profit.lines[0].strokeColor = _LINE
    profit.xValueAxis.visibleLabels = 0
    fall = _plot(drawing, days, [-point.drawdown for point in kept], width, bottom=22, height=58)
    fall.lines[0].strokeColor = _LOST
    _caption(drawing, "Realised profit since the beginning of the period", 236)
    _caption(drawing, "Drawdown: below the highest so far", 86)
    return drawing


def draw_equity(points: Sequence[CurvePoint], width: float) -> Drawing | None:
    """Equity over the days of which it is known; None where those are fewer than two."""
    known = [(point.day.toordinal(), point.equity) for point in thin(points, _MOST_POINTS) if point.equity is not None]
    if len(known) < 2:
        return None
    drawing = Drawing(width, 120)
    values = [equity for _, equity in known]
    plot = _plot(drawing, [day for day, _ in known], values, width, bottom=22, height=80)
    # Equity is far from zero: where it begins at zero nothing of its changes can be seen.
    low, high = float(min(values)), float(max(values))
    margin = (high - low) / 20 or max(abs(high), 1.0) / 20
    plot.yValueAxis.valueMin, plot.yValueAxis.valueMax = low - margin, high + margin
    plot.lines[0].strokeColor = _WON
    _caption(drawing, "Equity of all accounts", 108)
    return drawing


def draw_parts(parts: Sequence[Part], width: float) -> Drawing:
    """A bar for each of the parts that moved the most money, the most profitable on top."""
    known = [(part.key, part.pnl) for part in parts if part.pnl is not None]
    largest = sorted(known, key=lambda one: -abs(one[1]))[:_MOST_BARS]
    # The chart counts from below.
    bars = sorted(largest, key=lambda one: (one[1], one[0]))
    height = 24 + 17 * len(bars)
    drawing = Drawing(width, height + 20)
    chart = HorizontalBarChart()
    _place(chart, _LEFT + 20, 18, width - _LEFT - 70, height - 24)
    chart.data = [[float(pnl) for _, pnl in bars]]
    names = [drawn(key) for key, _ in bars]
    chart.categoryAxis.categoryNames = [text for text, _ in names]
    for n, (_, font) in enumerate(names):
        chart.categoryAxis.labels[n].fontName = font
    chart.categoryAxis.labels.fontSize = 7
    chart.categoryAxis.labels.fillColor = _TEXT
    chart.categoryAxis.strokeColor = _GRID
    chart.categoryAxis.tickLeft = 0
    chart.categoryAxis.labelAxisMode = "low"
    low, high = _range([pnl for _, pnl in bars])
    chart.valueAxis.valueMin, chart.valueAxis.valueMax = low, high
    chart.valueAxis.maximumTicks = _TICKS
    _style(chart.valueAxis, _money)
    chart.bars.strokeColor = None
    for n, (_, pnl) in enumerate(bars):
        chart.bars[(0, n)].fillColor = _WON if pnl >= 0 else _LOST
    drawing.add(chart)
    _caption(drawing, "Realised profit by symbol", height + 8)
    return drawing


def _plot(
    drawing: Drawing, days: Sequence[int], values: Sequence[Decimal], width: float, *, bottom: float, height: float
) -> LinePlot:
    """A line over days. Floats suffice for what is at most a few hundred points wide."""
    plot = LinePlot()
    _place(plot, _LEFT, bottom, width - _LEFT - 12, height)
    plot.data = [list(zip(days, [float(value) for value in values], strict=True))]
    plot.joinedLines = 1
    plot.lines[0].strokeWidth = 1.2
    first, last = days[0], days[-1]
    if first == last:  # one day alone has no width
        first, last = first - 1, last + 1
    plot.xValueAxis.valueMin, plot.xValueAxis.valueMax = first, last
    plot.xValueAxis.valueSteps = sorted({first + (last - first) * n // _TICKS for n in range(_TICKS + 1)})
    plot.yValueAxis.valueMin, plot.yValueAxis.valueMax = _range(values)
    plot.yValueAxis.maximumTicks = _TICKS
    _style(plot.xValueAxis, _day)
    _style(plot.yValueAxis, _money)
    plot.xValueAxis.visibleGrid = 0
    drawing.add(plot)
    return plot


def _range(values: Sequence[Decimal]) -> tuple[float, float]:
    """From the lowest to the highest, zero included; never empty."""
    low, high = min(0.0, *map(float, values)), max(0.0, *map(float, values))
    return (low, high) if low < high else (-1.0, 1.0)


def _place(chart: Any, x: float, y: float, width: float, height: float) -> None:
    chart.x, chart.y, chart.width, chart.height = x, y, width, height


def _style(axis: Any, label: Callable[[float], str]) -> None:
    axis.strokeColor = _GRID
    axis.visibleGrid, axis.gridStrokeColor, axis.gridStrokeWidth = 1, _GRID, 0.5
    axis.labelTextFormat = label
    axis.labels.fontSize, axis.labels.fillColor = 7, _TEXT


def _caption(drawing: Drawing, text: str, y: float) -> None:
    drawing.add(String(_LEFT, y, text, fontName="Helvetica-Bold", fontSize=8, fillColor=_TEXT))


def _day(ordinal: float) -> str:
    return date.fromordinal(int(ordinal)).isoformat()


def _money(value: float) -> str:
    return shown(Decimal(repr(value)))
