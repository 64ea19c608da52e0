"""Subjects: a user's id can neither widen nor break one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.subjects import (
    STREAM_SUBJECTS,
    all_users,
    all_users_ephemeral,
    ephemeral_subject,
    is_kept,
    subject,
    user_token,
)

ids = st.text(st.characters(), min_size=1) | st.text("aA.*>% -_/\t\n", min_size=1, max_size=6)


@given(ids)
def test_a_token_is_one_plain_subject_token(user_id: str) -> None:
    token = user_token(user_id)
    assert token
    assert token.isascii()
    assert not set(token) & set(".*> \t\r\n\x00")


@given(ids, ids)
def test_two_ids_never_share_a_token(one: str, other: str) -> None:
    assert (user_token(one) == user_token(other)) == (one == other)


def test_plain_ids_stay_readable() -> None:
    assert user_token("demo-user_1") == "demo-user_1"
    assert user_token("a.b*>%") == "a%2Eb%2A%3E%25"


def test_an_empty_id_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        user_token("")


@given(ids)
def test_kept_and_ephemeral_subjects_do_not_overlap(user_id: str) -> None:
    assert is_kept(subject("positions", "position_opened", user_id))
    assert not is_kept(ephemeral_subject("monitor", "position_marked", user_id))
    assert subject("positions", "position_opened", user_id).count(".") == 3


def test_subscriptions_name_facts_of_all_users() -> None:
    assert all_users("positions", "position_opened") == "positions.v1.position_opened.*"
    assert all_users("positions") == "positions.v1.*.*"
    assert all_users_ephemeral("gateway", "user_watched") == "gateway.ephemeral.v1.user_watched.*"
    assert STREAM_SUBJECTS == ("positions.v1.>", "reconciler.v1.>", "monitor.v1.>", "gateway.v1.>")


@pytest.mark.parametrize("name", ["", "a.b", "*", ">", "A b", "Äh"])
def test_owner_and_fact_are_plain_names(name: str) -> None:
    with pytest.raises(ValueError, match="not a subject token"):
        subject("positions", name, "demo")
    with pytest.raises(ValueError, match="not a subject token"):
        subject(name, "position_opened", "demo")
