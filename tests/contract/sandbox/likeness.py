"""How a message of the sandbox differs from the example of the venue's documentation.

Values differ as they must; what is compared is which fields there are and of which JSON type. The sandbox may have more
fields than a page shows. Null says no type. An empty list where the example has rows is a difference: nothing would be
compared.
"""

from typing import Any

from tests.contract.exchange import documented

KINDS: dict[type, str] = {dict: "object", list: "array", str: "string"}


def compare_all(venue: str, ours: dict[str, Any]) -> dict[str, str]:
    """What is missing or of another type, by `<example>.<path>`; an example that `ours` has no answer to is named."""
    found: dict[str, str] = {}
    for path in documented.files(venue):
        name = path.stem.removeprefix(f"{venue}_")
        if name in ours:
            found |= compare(documented.content(path)["message"], ours[name], name)
        else:
            found[name] = "not compared"
    return found


def compare(example: Any, ours: Any, path: str) -> dict[str, str]:
    if example is None or ours is None:
        return {}
    if kind(example) != kind(ours):
        return {path: f"{kind(example)} in the example, {kind(ours)} here"}
    if isinstance(example, dict):
        found: dict[str, str] = {}
        for key, value in example.items():
            found |= compare(value, ours[key], f"{path}.{key}") if key in ours else {f"{path}.{key}": "missing"}
        return found
    if isinstance(example, list):
        return _compare_rows(example, ours, path)
    return {}


def kind(value: Any) -> str:
    """The JSON type: whole and fractional numbers are one."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return KINDS[type(value)]


def _compare_rows(example: list[Any], ours: list[Any], path: str) -> dict[str, str]:
    """Rows of one form with our first row; rows that name their form (`filterType`) with ours of that form.

    Lists of words, such as permissions, differ in length and say nothing.
    """
    if not example or not isinstance(example[0], dict | list):
        return {}
    if not ours:
        return {path: "no rows here"}
    found: dict[str, str] = {}
    for row in example:
        if isinstance(row, list):
            found |= _compare_places(row, ours[0], f"{path}[]")
            continue
        form = row.get("filterType")
        alike = [one for one in ours if form is None or one.get("filterType") == form]
        where = f"{path}[{form or ''}]"
        found |= compare(row, alike[0], where) if alike else {where: "missing"}
    return found


def _compare_places(example: list[Any], ours: list[Any], path: str) -> dict[str, str]:
    """A row whose places have a meaning each, such as a candle."""
    found = {f"{path}[{place}]": "missing" for place in range(len(ours), len(example))}
    for place, (value, own) in enumerate(zip(example, ours, strict=False)):
        found |= compare(value, own, f"{path}[{place}]")
    return found
