"""The settings of sentiment. Sources are asked in live mode, or where they are on this machine."""

from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, PositiveFloat, SecretStr, field_validator

from services.common.config import Settings, is_loopback, split_url


class SentimentSettings(Settings):
    """Where posts and bets are read. The sandbox asks nobody outside of this machine, unless that is switched on."""

    sentiment_sources: Literal["auto", "on", "off"] = Field(
        "auto", description="auto (in live mode, and whatever is on this machine), on or off"
    )
    sentiment_seconds: PositiveFloat = Field(300, description="seconds, above 0: between two readings of a source")
    sentiment_timeout_seconds: PositiveFloat = Field(15, description="seconds, above 0: how long a source may take")
    reddit_subreddits: str = Field(
        "CryptoCurrency,CryptoMarkets,Bitcoin,ethereum,BitcoinMarkets", description="names, separated by commas"
    )
    reddit_url: str = Field("https://www.reddit.com", description="http(s)://host: feeds, and where tokens are given")
    reddit_api_url: str = Field("https://oauth.reddit.com", description="http(s)://host: the API, with a token")
    reddit_client_id: str | None = Field(None, description="the id of a Reddit application; without one feeds are read")
    reddit_client_secret: SecretStr | None = Field(None, description="that application's secret")
    reddit_user_agent: str = Field(
        "python:tandem:6.0 (position management)", description="how Reddit asks applications to name themselves"
    )
    polymarket_url: str = Field("https://gamma-api.polymarket.com", description="http(s)://host of the Gamma API")
    polymarket_tag_id: int = Field(21, gt=0, description="a number above 0: the tag of markets about crypto")

    @field_validator("reddit_url", "reddit_api_url", "polymarket_url")
    @classmethod
    def _source_address(cls, value: str) -> str:
        expected = "expected http(s)://host, without credentials"
        parts = split_url(value, expected)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            raise ValueError(expected)
        return value.rstrip("/")

    def asks(self, url: str, *, live: bool) -> bool:
        """Whether a source at an address is asked."""
        if self.sentiment_sources != "auto":
            return self.sentiment_sources == "on"
        return live or is_loopback(urlsplit(url).hostname or "")
