"""How a text is drawn that may hold any letter. A report embeds no font: those that it names every reader has.

Invariant: nothing that a text says is lost: what no such font can draw is written as its code point.
"""

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont

LATIN = "Helvetica"
HAN = "STSong-Light"
"""One of the fonts for Chinese that PDF readers bring along; it has kana, Greek and Cyrillic as well."""


def drawn(text: str) -> tuple[str, str]:
    """What is to be drawn for a text, and in which font."""
    if _fits(text, "cp1252"):
        return text, LATIN
    if _fits(text, "gbk"):
        if HAN not in pdfmetrics.getRegisteredFontNames():
            pdfmetrics.registerFont(UnicodeCIDFont(HAN))
        return text, HAN
    return text.encode("cp1252", "backslashreplace").decode("cp1252"), LATIN


def _fits(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True
