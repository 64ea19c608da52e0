"""All instruments' books."""

from collections.abc import Iterator
from decimal import Decimal

from services.monitor.domain.position import Instrument, Position
from services.monitor.domain.triggers.book import TriggerBook
from services.monitor.domain.triggers.trigger import NOTHING, Crossed, Standing


class BookIndex:
    """A TriggerIndex with one book for each instrument."""

    def __init__(self) -> None:
        self._books: dict[Instrument, TriggerBook] = {}
        self._instruments: dict[str, Instrument] = {}

    def put(self, position: Position, watermark: Decimal | None = None) -> None:
        """Add a position with an enforced level, or take a newer version of it."""
        known = self._instruments.get(position.position_id)
        if known is not None and known != position.instrument:
            self.remove(position.position_id)
        book = self._books.get(position.instrument)
        if book is None:
            book = self._books[position.instrument] = TriggerBook()
        book.put(position, watermark)
        self._instruments[position.position_id] = position.instrument

    def remove(self, position_id: str) -> None:
        """Forget a position; one that is not there is no error."""
        instrument = self._instruments.pop(position_id, None)
        if instrument is None:
            return
        book = self._books[instrument]
        book.remove(position_id)
        if not len(book):
            del self._books[instrument]

    def crossed(self, instrument: Instrument, price: Decimal) -> Crossed:
        """Take in a price, and tell what it triggers that had not been triggered yet."""
        book = self._books.get(instrument)
        return NOTHING if book is None else book.crossed(price)

    def standing(self, instrument: Instrument, price: Decimal) -> Standing:
        """Hold a price against everything again; watermarks stay. What has recovered can be triggered anew."""
        book = self._books.get(instrument)
        return Standing((), ()) if book is None else book.standing(price)

    def watermark(self, position_id: str) -> Decimal | None:
        """The watermark under a position's trailing stop; None where nothing trails."""
        instrument = self._instruments.get(position_id)
        return None if instrument is None else self._books[instrument].watermark(position_id)

    def positions(self, instrument: Instrument) -> tuple[Position, ...]:
        """The positions of an instrument."""
        book = self._books.get(instrument)
        return () if book is None else book.positions()

    def instruments(self) -> Iterator[Instrument]:
        """The instruments that have positions."""
        return iter(tuple(self._books))
