"""Posts as a source brings them, without those that are spam and those that were there already.

Invariants: a text counts once, however often and by whomever it is posted; an author counts for a few posts at most.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

MOST_OF_AN_AUTHOR = 3
FEWEST_WORDS = 3
LONGEST_TEXT = 2_000

_LINK = re.compile(r"https?://\S+|www\.\S+", re.IGNORECASE)
_MARKUP = re.compile(r"<[^>]{0,500}>")
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_SPAM = re.compile(
    r"(?i)\b(?:giveaway|airdrop claim|claim your|free (?:btc|bitcoin|eth|crypto|tokens?|nft)|referral|promo code|"
    r"sign ?up bonus|dm me|whatsapp|telegram group|join (?:our|my) (?:telegram|discord|group|channel)|"
    r"pump group|vip signals?|100% (?:profit|guaranteed)|guaranteed (?:profit|returns?)|double your|"
    r"investment manager|recovery (?:expert|agent)|use my (?:code|link)|seed phrase to)\b"
)


@dataclass(frozen=True, slots=True)
class Post:
    """One post. `votes` as its source counts them, None where it does not; `author` may be empty."""

    post_id: str
    author: str
    title: str
    body: str
    posted_at: datetime
    votes: int | None = None

    @property
    def text(self) -> str:
        """What it says, without links and markup."""
        whole = f"{self.title}. {self.body}" if self.body else self.title
        return " ".join(_LINK.sub(" ", _MARKUP.sub(" ", whole)).split())[:LONGEST_TEXT]


def is_spam(post: Post) -> bool:
    """Whether a post sells something, or says nothing at all."""
    text = post.text
    words = _WORD.findall(text)
    if len(words) < FEWEST_WORDS or _SPAM.search(text):
        return True
    shouted = sum(word.isupper() and len(word) > 2 for word in words)
    return len(words) >= 6 and (shouted == len(words) or len(set(words)) * 3 <= len(words))


def select(posts: Iterable[Post]) -> tuple[Post, ...]:
    """The posts that count: no spam, each text once (the first that was posted), few of one author."""
    seen_ids: set[str] = set()
    seen_texts: set[str] = set()
    by_author: Counter[str] = Counter()
    chosen = []
    for post in sorted(posts, key=lambda one: (one.posted_at, one.post_id)):
        said = " ".join(_WORD.findall(post.title.casefold())) or post.post_id
        if post.post_id in seen_ids or said in seen_texts or is_spam(post):
            continue
        if post.author and by_author[post.author] >= MOST_OF_AN_AUTHOR:
            continue
        seen_ids.add(post.post_id)
        seen_texts.add(said)
        by_author[post.author] += 1
        chosen.append(post)
    return tuple(chosen)
