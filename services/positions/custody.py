"""Key custody: a secret is sealed under a data key of its own, which is sealed under the active key-encryption key.

Both seals are bound to the account's row: a sealed credential that is moved to another row does not open. Nothing here
is logged, and what is opened has no repr.
"""

import base64
import binascii
import os

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.common.errors import Precondition, StartupError
from services.common.exchange.credentials import Credentials

_NONCE_BYTES = 12
_KEY_BYTES = 32


class KeyRing(msgspec.Struct, frozen=True):
    """The setting ENCRYPTION_KEYS: which key seals now, and all keys that may still have to open."""

    active: str
    keys: dict[str, str]


class Sealed(msgspec.Struct, frozen=True):
    """How a credential is kept."""

    key_id: str
    wrapped_key: bytes
    sealed: bytes


class Secret(msgspec.Struct, frozen=True):
    """What is inside."""

    api_key: str
    api_secret: str


class SealBroken(Precondition):
    """The key of account {account_id} cannot be opened any more. Add it again.

    Its row was tampered with, or what sealed it is not in ENCRYPTION_KEYS.
    """


class Custodian:
    """Seals and opens credentials."""

    def __init__(self, encryption_keys: str) -> None:
        """Raises StartupError where the setting is not a key ring."""
        expected = 'ENCRYPTION_KEYS: expected {"active": id, "keys": {id: base64 of 32 bytes}}'
        try:
            ring = msgspec.json.decode(encryption_keys, type=KeyRing)
            self._keys = {name: base64.b64decode(text, validate=True) for name, text in ring.keys.items()}
        except (msgspec.MsgspecError, binascii.Error):
            raise StartupError(expected) from None
        if ring.active not in self._keys or any(len(key) != _KEY_BYTES for key in self._keys.values()):
            raise StartupError(expected)
        self._active = ring.active

    def seal(self, account_id: str, credentials: Credentials) -> bytes:
        """The bytes to keep for this account's row."""
        data_key = AESGCM.generate_key(_KEY_BYTES * 8)
        secret = msgspec.msgpack.encode(Secret(credentials.api_key, credentials.secret))
        return msgspec.msgpack.encode(
            Sealed(
                key_id=self._active,
                wrapped_key=_encrypt(self._keys[self._active], data_key, account_id),
                sealed=_encrypt(data_key, secret, account_id),
            )
        )

    def open(self, account_id: str, kept: bytes) -> Credentials:
        """The credentials of this account's row. Raises SealBroken."""
        try:
            sealed = msgspec.msgpack.decode(kept, type=Sealed)
            data_key = _decrypt(self._keys[sealed.key_id], sealed.wrapped_key, account_id)
            secret = msgspec.msgpack.decode(_decrypt(data_key, sealed.sealed, account_id), type=Secret)
        except (msgspec.MsgspecError, ValueError, InvalidTag, KeyError):
            raise SealBroken(account_id=account_id) from None
        return Credentials(secret.api_key, secret.api_secret)

    def rewrap(self, account_id: str, kept: bytes) -> bytes | None:
        """The bytes to keep instead, under the active key; None where they are already. Raises SealBroken."""
        try:
            sealed = msgspec.msgpack.decode(kept, type=Sealed)
            if sealed.key_id == self._active:
                return None
            data_key = _decrypt(self._keys[sealed.key_id], sealed.wrapped_key, account_id)
        except (msgspec.MsgspecError, ValueError, InvalidTag, KeyError):
            raise SealBroken(account_id=account_id) from None
        wrapped = _encrypt(self._keys[self._active], data_key, account_id)
        return msgspec.msgpack.encode(Sealed(self._active, wrapped, sealed.sealed))


def _encrypt(key: bytes, plain: bytes, account_id: str) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plain, account_id.encode())


def _decrypt(key: bytes, sealed: bytes, account_id: str) -> bytes:
    return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], account_id.encode())
