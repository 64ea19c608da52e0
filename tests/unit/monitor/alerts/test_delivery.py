"""Signatures, retries, and which addresses a webhook may lead to."""

import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import FieldInvalid
from services.monitor.alerts.body import write_body
from services.monitor.alerts.rows import Told
from services.monitor.domain.alert import Alert, AlertKind
from services.monitor.domain.alerts.delivery import ATTEMPTS, derive_secret, retry_after, sign
from services.monitor.domain.alerts.destination import AddressNotPublic, check_addresses, is_public, parse_url

NOW = datetime(2026, 1, 1, 12, 0, 0, 900_000, tzinfo=UTC)


def test_a_receiver_can_check_the_signature_with_nothing_but_the_key() -> None:
    moment, digest = sign("whsec_x", b'{"a":1}', NOW).split(",")
    seconds = moment.removeprefix("t=")
    expected = hmac.new(b"whsec_x", seconds.encode() + b'.{"a":1}', hashlib.sha256).hexdigest()
    assert (digest, int(seconds)) == (f"v1={expected}", int(NOW.timestamp()))


def test_the_check_that_the_documentation_shows_knows_ours_from_forged_and_from_old() -> None:
    page = (Path(__file__).parents[4] / "docs" / "api.md").read_text(encoding="utf-8")
    shown: dict[str, Any] = {}
    exec(page.split("```python\n")[1].split("```")[0], shown)  # noqa: S102 - our own documentation
    is_ours, now = shown["is_ours"], NOW.timestamp()
    signature = sign("whsec_x", b'{"a":1}', NOW)
    assert is_ours("whsec_x", signature, b'{"a":1}', now)
    assert is_ours("whsec_x", signature, b'{"a":1}', now + 299)
    moment, digest = signature.split(",")
    later = f"t={int(now) + 3600},{digest}"
    for secret, said, body, at in (
        ("whsec_x", signature, b'{"a":1}', now + 302),
        ("whsec_x", later, b'{"a":1}', now + 3600),
        ("whsec_y", signature, b'{"a":1}', now),
        ("whsec_x", signature, b'{"a":2}', now),
        *(("whsec_x", said, b'{"a":1}', now) for said in ("", moment, digest, "t=x,v1=y", "t,v1")),
    ):
        assert not is_ours(secret, said, body, at)


def test_each_user_and_each_setting_of_a_webhook_has_a_key_of_its_own() -> None:
    keys = {derive_secret("m" * 32, user, generation) for user in ("1 a", "a", "b") for generation in (1, 2, 11)}
    assert len(keys) == 9
    assert derive_secret("m" * 32, "a", 1) != derive_secret("n" * 32, "a", 1)


def test_it_is_tried_for_about_a_day_ever_more_seldom() -> None:
    waits = [retry_after(attempts) for attempts in range(1, ATTEMPTS + 1)]
    given_up = waits.pop()
    assert given_up is None
    known = [wait for wait in waits if wait is not None]
    assert known == sorted(known)
    assert known[0] == timedelta(seconds=1)
    assert timedelta(hours=20) < sum(known, timedelta()) < timedelta(hours=30)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1"),
        *("0.0.0.1", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1"),
        *("::", "::1", "fe80::1", "fc00::1", "fd12::1", "fec0::1", "ff02::1", "2001:db8::1"),
        # An IPv4 address inside of an IPv6 one: mapped, compatible, translated, 6to4, Teredo.
        *("::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::808:808"),
        *("64:ff9b:1::7f00:1", "2002:7f00:1::1", "2002:808:808::1", "2001:0:7f00:1::1"),
    ],
)
def test_an_address_that_is_not_one_public_host(address: str) -> None:
    assert not is_public(ip_address(address))
    destination = parse_url("https://hooks.example/x", loopback=False)
    with pytest.raises(AddressNotPublic):
        check_addresses(destination, ["8.8.8.8", address], loopback=False)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "2a00:1450:4001::200e"])
def test_a_public_address(address: str) -> None:
    check_addresses(parse_url("https://hooks.example", loopback=False), [address], loopback=False)


@given(st.one_of(st.integers(0, 2**32 - 1).map(IPv4Address), st.integers(0, 2**128 - 1).map(IPv6Address)))
def test_nothing_that_is_private_is_public(address: IPv4Address | IPv6Address) -> None:
    if address.is_private or address.is_loopback or address.is_link_local or address.is_multicast:
        assert not is_public(address)


def test_a_name_without_an_address_leads_nowhere() -> None:
    with pytest.raises(AddressNotPublic):
        check_addresses(parse_url("https://hooks.example", loopback=False), [], loopback=False)


def test_loopback_where_it_is_allowed_and_http_there_alone() -> None:
    plain = parse_url("http://127.0.0.1:8080/hook", loopback=True)
    assert (plain.host, plain.port, plain.secure) == ("127.0.0.1", 8080, False)
    check_addresses(plain, ["127.0.0.1"], loopback=True)
    with pytest.raises(AddressNotPublic):
        check_addresses(plain, ["8.8.8.8"], loopback=True)
    with pytest.raises(AddressNotPublic):
        check_addresses(parse_url("https://hooks.example", loopback=True), ["10.0.0.1"], loopback=True)


@pytest.mark.parametrize(
    "url",
    [
        *("", "hooks.example", "http://hooks.example", "ftp://hooks.example", "https://", "https:///path"),
        *("https://user@hooks.example", "https://:secret@hooks.example", "https://hooks.example:0"),
        *("https://hooks.example:99999", "https://[::1", "https://hooks.example/a b", "https://hooks.example\\@evil"),
        *("https://hooks.exämple", "https://" + "a" * 2048, "https://hooks.example/\r\nX: y", "javascript:alert(1)"),
    ],
)
def test_a_url_that_is_not_one_of_a_webhook(url: str) -> None:
    with pytest.raises(FieldInvalid):
        parse_url(url, loopback=False)


@given(st.text(max_size=60))
def test_whatever_text_is_refused_with_a_typed_error_or_is_a_url(text: str) -> None:
    for url in (text, f"https://{text}"):
        try:
            destination = parse_url(url, loopback=True)
        except FieldInvalid:
            continue
        assert destination.host
        assert 0 < destination.port < 65536


def test_numbers_of_a_message_are_written_plainly() -> None:
    alert = Alert(
        *(AlertKind.PRICE_TARGET, "demo", "", "reached"),
        price=Decimal("0.000000120000000000"),
        level_price=Decimal("66000.000000000000000000"),
    )
    body = write_body(Told(UUID(int=1), NOW, alert))
    assert '"price":0.00000012,"levelPrice":66000,' in body
