"""Takes keys, signatures and query strings out of texts that may reach a log."""

import re

_SECRET_FIELDS = re.compile(
    r"(?i)\b(signature|sign|apikey|api_key|api-key|secret|listenkey|timestamp|x-mbx-apikey|x-bapi-[a-z-]+)"
    r"(['\"]?\s*[=:]\s*['\"]?)([^&\s'\",}]+)"
)
_URL = re.compile(r"((?:https?|wss?)://[^\s?'\"]+)\?[^\s'\"]*")
_SIGNED = re.compile(r"(?i)(origin_string)\[[^\]]*\]?")
"""Bybit quotes what was signed, key and parameters, where a signature does not match."""
MAX_LENGTH = 300


def scrub(text: str) -> str:
    """The text without query strings and without the values of secret fields, cut to a length fit for a log."""
    without_queries = _URL.sub(r"\1?…", text)
    without_signed = _SIGNED.sub(r"\1[…]", without_queries)
    return _SECRET_FIELDS.sub(r"\1\2…", without_signed)[:MAX_LENGTH]
