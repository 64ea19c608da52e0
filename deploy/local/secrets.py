"""Secrets of the local stack: made once, kept in one file that only its owner can read.

Invariants: a secret that exists is never made anew (the books' keys are encrypted with one of them); a service is given
the secrets that it needs and no others.
"""

import base64
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from deploy.local import nats
from deploy.local.config import StackConfig
from deploy.local.errors import StackError
from deploy.local.layout import Layout, read_json, write_json, write_private

TOKEN_BYTES = 32


@dataclass(frozen=True, slots=True)
class Secrets:
    """All secrets of one stack. `encryption_keys` is the JSON that the positions service reads."""

    postgres_password: str = field(repr=False)
    database_passwords: Mapping[str, str] = field(repr=False)
    nats_passwords: Mapping[str, str] = field(repr=False)
    jwt_secret: str = field(repr=False)
    encryption_keys: str = field(repr=False)
    webhook_key: str = field(repr=False)


def load_secrets(layout: Layout, config: StackConfig) -> Secrets:
    """Read the secrets, making those that are missing; what the configuration gives goes first.

    Raises StackError where the file cannot be read: it is never replaced.
    """
    kept = read_json(layout.secrets_file) or {}
    if not isinstance(kept, dict):
        raise StackError(f"{layout.secrets_file} does not hold secrets: put it right or remove it")
    complete = _with_missing(kept)
    if complete != kept:
        write_json(layout.secrets_file, complete)
    return Secrets(
        postgres_password=complete["postgres_password"],
        database_passwords=complete["database_passwords"],
        nats_passwords=complete["nats_passwords"],
        jwt_secret=config.jwt_secret or complete["jwt_secret"],
        encryption_keys=config.encryption_keys or json.dumps(complete["encryption_keys"]),
        webhook_key=complete["webhook_key"],
    )


def write_service_secrets(layout: Layout, service: str, values: Mapping[str, str]) -> None:
    """Write a service's secret files, one value each, and remove those that it no longer needs."""
    directory = layout.secrets(service)
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)
    for stale in directory.iterdir():
        if stale.name not in values:
            stale.unlink()
    for name, value in values.items():
        write_private(directory / name, value)


def _with_missing(kept: Mapping[str, Any]) -> dict[str, Any]:
    key = base64.b64encode(secrets.token_bytes(TOKEN_BYTES)).decode()
    databases, users = kept.get("database_passwords", {}), kept.get("nats_passwords", {})
    return {
        "postgres_password": kept.get("postgres_password") or secrets.token_urlsafe(TOKEN_BYTES),
        "database_passwords": {
            name: databases.get(name) or secrets.token_urlsafe(TOKEN_BYTES) for name in nats.SERVICES
        },
        "nats_passwords": {
            name: users.get(name) or secrets.token_urlsafe(TOKEN_BYTES) for name in (*nats.SERVICES, nats.ADMINISTRATOR)
        },
        "jwt_secret": kept.get("jwt_secret") or secrets.token_urlsafe(TOKEN_BYTES),
        "webhook_key": kept.get("webhook_key") or secrets.token_urlsafe(TOKEN_BYTES),
        "encryption_keys": kept.get("encryption_keys") or {"active": "k1", "keys": {"k1": key}},
    }
