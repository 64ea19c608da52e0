"""What is sealed opens with its own key, for its own row, and in no other way."""

import base64
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.common.errors import StartupError
from services.common.exchange.credentials import Credentials
from services.positions.custody import Custodian, SealBroken
from services.positions.domain.account import mask_key

OLD, NEW = base64.b64encode(b"o" * 32).decode(), base64.b64encode(b"n" * 32).decode()


def ring(active: str, **keys: str) -> str:
    return json.dumps({"active": active, "keys": keys})


@given(st.text(max_size=80), st.text(max_size=80), st.text(min_size=1))
def test_what_goes_in_comes_out(api_key: str, secret: str, account_id: str) -> None:
    custodian = Custodian(ring("k", k=NEW))
    opened = custodian.open(account_id, custodian.seal(account_id, Credentials(api_key, secret)))
    assert (opened.api_key, opened.secret) == (api_key, secret)


def test_a_retired_key_still_opens() -> None:
    kept = Custodian(ring("old", old=OLD)).seal("a", Credentials("key", "secret"))
    assert Custodian(ring("new", old=OLD, new=NEW)).open("a", kept).secret == "secret"
    with pytest.raises(SealBroken):
        Custodian(ring("new", new=NEW)).open("a", kept)


@given(st.integers(min_value=0), st.integers(min_value=1, max_value=255))
@example(161, 128).via("a key id that is not UTF-8")
def test_a_changed_byte_breaks_the_seal(place: int, change: int) -> None:
    custodian = Custodian(ring("k", k=NEW))
    kept = bytearray(custodian.seal("a", Credentials("key", "secret")))
    kept[place % len(kept)] ^= change
    with pytest.raises(SealBroken):
        custodian.open("a", bytes(kept))


def test_another_row_does_not_open_it() -> None:
    custodian = Custodian(ring("k", k=NEW))
    with pytest.raises(SealBroken):
        custodian.open("b", custodian.seal("a", Credentials("key", "secret")))


@pytest.mark.parametrize(
    "setting", ["", "{}", ring("k"), ring("k", k="AAAA"), ring("k", k="not base64!"), ring("other", k=NEW)]
)
def test_a_bad_key_ring_is_one_clear_line(setting: str) -> None:
    with pytest.raises(StartupError, match="ENCRYPTION_KEYS: expected") as caught:
        Custodian(setting)
    assert NEW not in str(caught.value)


@given(st.text(max_size=100))
def test_a_mask_shows_half_of_a_key_at_the_most(key: str) -> None:
    shown = mask_key(key).replace("…", "")
    assert len(shown) <= len(key) / 2
