"""The key pair of one account. Its text and repr never show the secret, nor more of the key than tells two apart."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Credentials:
    """An API key and its secret, as the venue issued them."""

    api_key: str = field(repr=False)
    secret: str = field(repr=False)

    def __repr__(self) -> str:
        return f"Credentials({self.api_key[:4]}…)"

    __str__ = __repr__
