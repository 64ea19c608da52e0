"""220 short posts and headlines, written for this and labelled by hand; nearly half of them were held out of tuning.

Which half one is in follows from its text alone. What is measured: a text counts as positive from 0.2 on, as negative
from -0.2 down, as neutral in between.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

POSITIVE, NEGATIVE, NEUTRAL = "positive", "negative", "neutral"
EDGE = 0.2


@dataclass(frozen=True)
class Labelled:
    label: str
    text: str

    @property
    def held_out(self) -> bool:
        return crc32(self.text.encode()) % 2 == 1


@dataclass(frozen=True)
class Quality:
    """Of one label: of what was called it, how much is it (precision); of what is it, how much was called it."""

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


def read_labelled() -> list[Labelled]:
    lines = (Path(__file__).parent / "labelled.tsv").read_text(encoding="utf-8").splitlines()
    return [Labelled(*line.split("\t")) for line in lines]


def call(score: float) -> str:
    """The label that a score stands for."""
    if score >= EDGE:
        return POSITIVE
    return NEGATIVE if score <= -EDGE else NEUTRAL


def measure(score: Callable[[str], float], rows: Iterable[Labelled]) -> tuple[float, dict[str, Quality]]:
    """The share that is called right, and the quality of each label."""
    called = [(row.label, call(score(row.text))) for row in rows]
    accuracy = sum(label == said for label, said in called) / len(called)
    quality = {}
    for one in (POSITIVE, NEGATIVE, NEUTRAL):
        right = sum(label == said == one for label, said in called)
        said_so = sum(said == one for _, said in called)
        are = sum(label == one for label, _ in called)
        quality[one] = Quality(right / said_so if said_so else 0.0, right / are)
    return accuracy, quality
