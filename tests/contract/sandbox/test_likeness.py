"""The comparison with the documentation's examples sees what is missing."""

from typing import Any

import pytest

from tests.contract.sandbox.likeness import compare, compare_all


@pytest.mark.parametrize(
    ("example", "ours", "found"),
    [
        ({"a": "1"}, {"a": "2", "more": 3}, {}),
        ({"a": "1"}, {}, {"m.a": "missing"}),
        ({"a": "1"}, {"a": 1}, {"m.a": "string in the example, number here"}),
        ({"a": 0}, {"a": 0.5}, {}),
        ({"a": 1}, {"a": True}, {"m.a": "number in the example, boolean here"}),
        ({"a": None}, {"a": 1}, {}),
        ({"a": {"b": {"c": 1}}}, {"a": {"b": {}}}, {"m.a.b.c": "missing"}),
        ([{"a": 1}, {"a": 1, "b": 1}], [{"a": 1}], {"m[].b": "missing"}),
        ([{"a": 1}], [], {"m": "no rows here"}),
        ([[1, "2", "3"]], [[1, "2"]], {"m[][2]": "missing"}),
        ([[1, "2"]], [[1, 2, 3]], {"m[][1]": "string in the example, number here"}),
        (["GTC"], [], {}),
        (
            [{"filterType": "LOT", "step": "1"}, {"filterType": "COUNT", "limit": 1}],
            [{"filterType": "COUNT", "limit": "1"}],
            {"m[LOT]": "missing", "m[COUNT].limit": "number in the example, string here"},
        ),
    ],
)
def test_a_difference_is_found_where_it_is(example: Any, ours: Any, found: dict[str, str]) -> None:
    assert compare(example, ours, "m") == found


@pytest.mark.parametrize("venue", ["binance", "bybit"])
def test_an_example_without_an_answer_is_named(venue: str) -> None:
    found = compare_all(venue, {})
    assert len(found) > 20
    assert set(found.values()) == {"not compared"}
