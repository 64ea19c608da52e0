"""Subjects on NATS: who says what about whom.

Invariants: a user's token is one subject token, whatever the user's id holds, and two ids never share one; a fact
that is kept is `<owner>.v1.<fact>.<token>` and is in the stream; one that is not is
`<owner>.ephemeral.v1.<fact>.<token>` and is outside it.
"""

import string

STREAM = "EVENTS"
OWNERS = ("positions", "reconciler", "monitor", "gateway")
STREAM_SUBJECTS = tuple(f"{owner}.v1.>" for owner in OWNERS)

_PLAIN = frozenset((string.ascii_letters + string.digits + "-_").encode())
_NAME = frozenset(string.ascii_lowercase + string.digits + "_")


def user_token(user_id: str) -> str:
    """A user's id as a subject token: letters, digits, - and _ as they are, every other byte of its UTF-8 as %XX.

    Raises ValueError for an empty id.
    """
    if not user_id:
        raise ValueError("a user id is not empty")
    return "".join(chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in user_id.encode("utf-8", "surrogatepass"))


def subject(owner: str, fact: str, user_id: str) -> str:
    """The subject of a fact of one user that is kept in the stream: subject("positions", "position_opened", user)."""
    return f"{_checked(owner)}.v1.{_checked(fact)}.{user_token(user_id)}"


def all_users(owner: str, fact: str = "*") -> str:
    """The subject to subscribe to for that fact (or every fact) of all users."""
    return f"{_checked(owner)}.v1.{fact if fact == '*' else _checked(fact)}.*"


def ephemeral_subject(owner: str, fact: str, user_id: str) -> str:
    """The subject of a fact that is not kept."""
    return f"{_checked(owner)}.ephemeral.v1.{_checked(fact)}.{user_token(user_id)}"


def all_users_ephemeral(owner: str, fact: str = "*") -> str:
    """The subject to subscribe to for that fact (or every fact) that is not kept, of all users."""
    return f"{_checked(owner)}.ephemeral.v1.{fact if fact == '*' else _checked(fact)}.*"


def is_kept(name: str) -> bool:
    """Whether a subject is one of the stream's."""
    return name.split(".", 2)[:2] in [[owner, "v1"] for owner in OWNERS]


def _checked(name: str) -> str:
    if not name or not _NAME.issuperset(name):
        raise ValueError(f"not a subject token of ours: {name!r}")
    return name
