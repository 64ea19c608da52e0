"""Writes of users: each is carried out once under its request id, whatever method it is for."""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from google.protobuf.message import Message

from services.positions.commands.requests import Requests
from services.positions.rpc.vocabulary import held, required

A = TypeVar("A", bound=Message)


class UsersWrite(Protocol):
    """A request of the contract that changes something of a user's."""

    user_id: str
    request_id: str

    def SerializeToString(self, *, deterministic: bool = ...) -> bytes: ...


async def once(
    requests: Requests,
    request: UsersWrite,
    answer: type[A],
    work: Callable[[], Awaitable[A]],
    now: Callable[[], Awaitable[A]] | None = None,
) -> A:
    """The answer of `work`, or the one given before to the same request of this user.

    `now` answers with how things are; without it, `work` does so, because to do it again changes nothing. Raises
    RequestIdReused, FieldInvalid, and what `work` and `now` raise.
    """
    asked = type(request).__name__.encode() + request.SerializeToString(deterministic=True)
    return await requests.once(
        required(request.user_id, "user_id"),
        held(request.request_id, "request_id"),
        asked,
        work,
        answer.FromString,
        now or work,
    )
