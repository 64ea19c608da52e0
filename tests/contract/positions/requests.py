"""Requests that no client of ours would send, made from the descriptors of the contract."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from hypothesis import strategies as st

_TEXTS = (
    "",
    " ",
    "\0",
    "a\0b",
    "é",
    "𝕏",
    "x" * 5_000,
    "'; DROP TABLE positions; --",
    "%s",
    "0",
    "1",
    "-1",
    "66000",
    "0.000000000000000001",
    "1e-19",
    "1e19",
    "99999999999999999999",
    "100000000000000000000",
    "1e400",
    "-1E+999999",
    "1e9999999999999999999",
    "NaN",
    "sNaN",
    "Infinity",
    "٣",
    "1_000",
    "cross",
    "7d",
    "MjAyNi0wMS0wNVQxMjowMDowMCswMDowMCBPUF8xXzE=",
    "MDAwMS0wMS0wMVQwMDowMDowMC0yMzowMCBPUF8x",
)
_WHOLE: dict[int, tuple[int, int]] = {
    FieldDescriptor.TYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.TYPE_UINT64: (0, 2**64 - 1),
}
_OTHERS: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.TYPE_BYTES: st.binary(max_size=20),
    FieldDescriptor.TYPE_BOOL: st.booleans(),
    FieldDescriptor.TYPE_DOUBLE: st.floats(),
}
_TIMESTAMP = "google.protobuf.Timestamp"
Known = Mapping[str, Sequence[str]]


def requests_of(descriptor: Descriptor, known: Known) -> st.SearchStrategy[Message]:
    """Messages of a type: fields missing, out of range, unknown or senseless; `known` has values that exist, by field.

    Of half the fields that `known` names the value is one that exists, so that a request comes further than its ids.
    """

    @cache
    def message(kind: str) -> st.SearchStrategy[Any]:
        found = descriptor.file.pool.FindMessageTypeByName(kind)
        if kind == _TIMESTAMP:
            return _timestamps(found)
        made = message_factory.GetMessageClass(found)
        fields = {field.name: value(field) for field in found.fields if field.containing_oneof is None}
        choices = [
            st.one_of(st.just({}), *(st.fixed_dictionaries({field.name: value(field)}) for field in oneof.fields))
            for oneof in found.oneofs
        ]
        plain = st.fixed_dictionaries({}, optional=fields)
        return st.tuples(plain, *choices).map(lambda parts: made(**{k: v for part in parts for k, v in part.items()}))

    def value(field: FieldDescriptor) -> st.SearchStrategy[Any]:
        one = single(field)
        return st.lists(one, max_size=3) if field.is_repeated else one

    def single(field: FieldDescriptor) -> st.SearchStrategy[Any]:
        if field.message_type is not None:
            inner = field.message_type.full_name
            return st.deferred(lambda: message(inner))
        if field.enum_type is not None:
            numbers = [one.number for one in field.enum_type.values]
            return st.one_of(st.sampled_from(numbers), st.sampled_from([-1, 99, 2**31 - 1]))
        if field.type == FieldDescriptor.TYPE_STRING:
            texts = st.one_of(st.sampled_from(_TEXTS), st.text(max_size=20))
            existing = known.get(field.name)
            return st.one_of(st.sampled_from(existing), texts) if existing else texts
        if field.type in _WHOLE:
            low, high = _WHOLE[field.type]
            return st.one_of(st.sampled_from([low, -1 if low else 0, 0, 1, high]), st.integers(low, high))
        return _OTHERS[field.type]

    return message(descriptor.full_name)


def fill_in(request: Message, values: Mapping[str, str]) -> None:
    """Put values in the place of the texts that stand for them, in all of a request."""
    for field, value in request.ListFields():
        if field.type == FieldDescriptor.TYPE_STRING:
            if field.is_repeated:
                value[:] = [values.get(one, one) for one in value]
            else:
                setattr(request, field.name, values.get(value, value))
        elif field.message_type is not None:
            for inner in value if field.is_repeated else [value]:
                fill_in(inner, values)


def _timestamps(descriptor: Descriptor) -> st.SearchStrategy[Any]:
    """Moments: around the time of the tests, at the ends of the calendar, and beyond."""
    made = message_factory.GetMessageClass(descriptor)
    seconds = st.one_of(
        st.integers(1767614390, 1767614420),
        st.sampled_from([-(2**63), 2**63 - 1, -62135596800, -62135596801, 253402300799, 253402300800, 0]),
    )
    return st.builds(made, seconds=seconds, nanos=st.sampled_from([0, 1, 999_999_999, -1, 2**31 - 1]))
