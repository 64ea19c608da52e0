"""What a text says, from -1 to 1: VADER with crypto's own words."""

import re
from collections.abc import Mapping

from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from services.monitor.domain.sentiment.lexicon import PHRASES, WORDS


class Scorer:
    """Scores texts. Loading VADER's lexicon takes a few hundredths of a second: make one and keep it."""

    def __init__(self, words: Mapping[str, float] = WORDS, phrases: Mapping[str, float] = PHRASES) -> None:
        self._vader = SentimentIntensityAnalyzer()
        self._joined = {phrase: phrase.replace(" ", "_") for phrase in phrases}
        self._phrases = (
            re.compile(rf"\b(?:{'|'.join(re.escape(one) for one in sorted(phrases, key=len, reverse=True))})\b")
            if phrases
            else None
        )
        self._vader.lexicon.update(words)
        self._vader.lexicon.update({self._joined[phrase]: number for phrase, number in phrases.items()})

    def score(self, text: str) -> float:
        """VADER's compound score of a text."""
        plain = " ".join(text.lower().split()) if text.isupper() else " ".join(text.split())
        if self._phrases is not None:
            # ASCII: other alphabets have letters that match one of ours in any case and are none in lower case.
            plain = re.sub(
                self._phrases.pattern, lambda found: self._joined[found[0].lower()], plain, flags=re.I | re.A
            )
        return float(self._vader.polarity_scores(plain)["compound"])
