"""Whose order it was, and therefore why a position ended."""

import re
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.common.trading.client_order_id import ClientOrderId, OrderCause, parse_client_order_id
from services.common.trading.exit_reason import ExitReason, exit_reason, external_cause
from services.common.trading.fill import OrderKind
from services.common.trading.partition import PARTITIONS, partition_of
from tests.factories import make_fill

INTENT = UUID("6f1c1f6e-0d0c-4f8e-9b39-6a1b2c3d4e5f")


@given(st.sampled_from(OrderCause), st.uuids())
def test_an_id_of_ours_is_read_back_and_fits_both_venues(cause: OrderCause, intent: UUID) -> None:
    text = str(ClientOrderId(cause, intent))
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,36}", text)
    assert parse_client_order_id(text) == ClientOrderId(cause, intent)


NEARLY_OURS = st.from_regex(r"(?i)tdm-[a-z]-[a-z0-9]{25,27}", fullmatch=True) | st.from_regex(
    r"tdm-[stmao]-[a-z2-7]{26}", fullmatch=True
)


@given(NEARLY_OURS | st.text(max_size=40))
@example("tdm-s-aaaaaaaaaaaaaaaaaaaaaaaaab")  # bits beyond those of an intent
def test_other_ids_are_nobodys(text: str) -> None:
    parsed = parse_client_order_id(text)
    assert parsed is None or str(parsed) == text


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        (OrderCause.STOP_LOSS, ExitReason.STOP_LOSS),
        (OrderCause.TAKE_PROFIT, ExitReason.TAKE_PROFIT),
        (OrderCause.MANUAL, ExitReason.MANUAL),
        (OrderCause.AI_SIGNAL, ExitReason.AI_SIGNAL),
        (OrderCause.OPEN, ExitReason.CLOSED_EXTERNALLY),
    ],
)
def test_an_order_of_ours_gives_the_reason(cause: OrderCause, reason: ExitReason) -> None:
    assert exit_reason([make_fill(client_order_id=str(ClientOrderId(cause, INTENT)))]) is reason


@pytest.mark.parametrize(
    ("kind", "reason", "cause"),
    [
        (OrderKind.LIQUIDATION, ExitReason.LIQUIDATION, "unknown"),
        (OrderKind.ADL, ExitReason.ADL, "unknown"),
        (OrderKind.STOP, ExitReason.CLOSED_EXTERNALLY, "stop"),
        (OrderKind.TRAILING_STOP, ExitReason.CLOSED_EXTERNALLY, "stop"),
        (OrderKind.TAKE_PROFIT, ExitReason.CLOSED_EXTERNALLY, "take_profit"),
        (OrderKind.MARKET, ExitReason.CLOSED_EXTERNALLY, "hand"),
        (OrderKind.LIMIT, ExitReason.CLOSED_EXTERNALLY, "hand"),
        (OrderKind.UNKNOWN, ExitReason.CLOSED_EXTERNALLY, "unknown"),
    ],
)
def test_the_venues_word_gives_the_rest(kind: OrderKind, reason: ExitReason, cause: str) -> None:
    fills = [make_fill(order_kind=kind, client_order_id="web-1")]
    assert exit_reason(fills) is reason
    assert external_cause(fills) == cause


def test_without_fills_nothing_is_told() -> None:
    assert exit_reason([]) is ExitReason.CLOSED_EXTERNALLY
    assert external_cause([]) == "unknown"


@given(st.text(min_size=1))
def test_every_account_has_a_partition(account_id: str) -> None:
    assert 0 <= partition_of(account_id) < PARTITIONS


def test_the_partition_of_an_account_never_changes() -> None:
    assert [partition_of(name) for name in ("a", "b", "account-17")] == [3, 57, 22]
