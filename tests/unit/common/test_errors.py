"""Domain errors: message, reason, metadata, and their way over gRPC."""

import copy
import enum
import pickle
from datetime import UTC, datetime
from decimal import Decimal

import grpc
import pytest
from grpc.aio import AioRpcError, Metadata
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import (
    Already,
    BusUnavailable,
    DomainError,
    ErrorKind,
    FieldInvalid,
    Invalid,
    LeaseLost,
    NotFound,
    NoVerifiedApiKeys,
    PositionNotFound,
    Precondition,
    RemoteError,
    ServiceUnavailable,
    Unavailable,
    restore_error,
)
from services.common.status import CODE_OF_KIND, RemoteFailure, from_rpc_error, to_status


class OTPCodeExpired(Precondition):
    """The code of {user} expired
    at {at}.

    A second paragraph is for readers of the source, not of the message.
    """


class Colour(enum.Enum):
    RED = "red"


def over_the_wire(error: DomainError) -> Exception:
    code, message, trailing = to_status(error)
    return from_rpc_error(
        AioRpcError(code, Metadata(), Metadata(*trailing), details=message), service="positions", method="/x.Y/Z"
    )


def test_message_is_the_first_paragraph_of_the_docstring_with_the_facts_filled_in() -> None:
    error = OTPCodeExpired(user="ann", at=datetime(2025, 1, 2, tzinfo=UTC))
    assert str(error) == "The code of ann expired at 2025-01-02T00:00:00+00:00."
    assert error.metadata == {"user": "ann", "at": "2025-01-02T00:00:00+00:00"}


def test_reason_is_the_class_name_in_upper_snake() -> None:
    assert OTPCodeExpired.reason == "OTP_CODE_EXPIRED"
    assert PositionNotFound.reason == "POSITION_NOT_FOUND"
    assert NoVerifiedApiKeys.reason == "NO_VERIFIED_API_KEYS"
    assert str(NoVerifiedApiKeys()) == "No verified API keys found"


def test_kind_comes_from_the_base() -> None:
    assert PositionNotFound.kind is ErrorKind.NOT_FOUND
    assert isinstance(PositionNotFound(position_id="OP_1_1"), NotFound)


def test_facts_beyond_the_message_are_carried_and_none_is_left_out() -> None:
    error = PositionNotFound(position_id="OP_1_1", price=Decimal("1E+3"), colour=Colour.RED, nothing=None)
    assert error.metadata == {"position_id": "OP_1_1", "price": "1000", "colour": "red"}


def test_a_missing_fact_is_a_programming_error() -> None:
    with pytest.raises(TypeError, match="position_id"):
        PositionNotFound()


def test_a_kind_itself_cannot_be_raised() -> None:
    with pytest.raises(TypeError, match="kind"):
        NotFound()


def test_an_error_needs_a_docstring_a_kind_and_a_reason_of_its_own() -> None:
    with pytest.raises(TypeError, match="docstring"):
        type("Wordless", (NotFound,), {})
    with pytest.raises(TypeError, match="kind"):
        type("Kindless", (DomainError,), {"__doc__": "Something."})
    with pytest.raises(TypeError, match="POSITION_NOT_FOUND is already"):
        type("PositionNotFound", (NotFound,), {"__doc__": "Again."})


def test_values_with_braces_are_not_templates() -> None:
    assert str(FieldInvalid(field="price", problem="{position_id}")) == "price: {position_id}"


@pytest.mark.parametrize(("given_", "seconds"), [(None, 1), (7, 7), ("soon", 1), (0, 1)])
def test_retry_after(given_: object, seconds: int) -> None:
    assert ServiceUnavailable(service="monitor", retry_after_seconds=given_).retry_after_seconds == seconds


def test_errors_can_be_copied_and_pickled() -> None:
    error = PositionNotFound(position_id="OP_1_1")
    for twin in (copy.copy(error), pickle.loads(pickle.dumps(error))):  # noqa: S301 - our own bytes
        assert (type(twin), str(twin), twin.metadata) == (PositionNotFound, str(error), error.metadata)


def test_every_kind_has_a_status_of_its_own() -> None:
    assert set(CODE_OF_KIND) == set(ErrorKind)
    assert len(set(CODE_OF_KIND.values())) == len(ErrorKind)


@given(st.text(max_size=200), st.dictionaries(st.from_regex(r"[a-z_]{1,20}", fullmatch=True), st.text(max_size=200)))
def test_a_registered_error_comes_back_as_its_class(position_id: str, more: dict[str, str]) -> None:
    more.pop("position_id", None)
    error = PositionNotFound(position_id=position_id, **more)
    back = over_the_wire(error)
    assert isinstance(back, PositionNotFound)
    assert (back.message, back.reason, back.metadata) == (error.message, error.reason, error.metadata)


def test_an_unknown_reason_comes_back_as_a_remote_error_of_its_kind() -> None:
    back = over_the_wire(RemoteError.of(ErrorKind.ALREADY, "FLOW_ALREADY_STOPPED", "Flow 7 is stopped.", {"flow": "7"}))
    assert isinstance(back, RemoteError)
    assert isinstance(back, Already)
    assert (back.reason, str(back), back.metadata) == ("FLOW_ALREADY_STOPPED", "Flow 7 is stopped.", {"flow": "7"})
    assert pickle.loads(pickle.dumps(back)).reason == "FLOW_ALREADY_STOPPED"  # noqa: S301 - our own bytes


def test_a_known_reason_of_another_kind_is_not_taken_for_the_known_class() -> None:
    back = restore_error(ErrorKind.INVALID, "POSITION_NOT_FOUND", "odd", {})
    assert isinstance(back, Invalid)
    assert not isinstance(back, PositionNotFound)


@pytest.mark.parametrize(
    "code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED]
)
def test_what_cannot_be_reached_is_service_unavailable(code: grpc.StatusCode) -> None:
    back = from_rpc_error(AioRpcError(code, Metadata(), Metadata()), service="positions", method="/x.Y/Z")
    assert isinstance(back, ServiceUnavailable)
    assert back.metadata == {"service": "positions"}


@pytest.mark.parametrize("code", [grpc.StatusCode.INTERNAL, grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.NOT_FOUND])
def test_a_status_without_our_details_is_a_failure_and_not_a_fact(code: grpc.StatusCode) -> None:
    back = from_rpc_error(AioRpcError(code, Metadata(), Metadata()), service="positions", method="/x.Y/Z")
    assert isinstance(back, RemoteFailure)
    assert not isinstance(back, DomainError)


def test_garbled_details_are_ignored() -> None:
    trailing = Metadata(("grpc-status-details-bin", b"\xff\xff\xff"))
    error = AioRpcError(grpc.StatusCode.NOT_FOUND, Metadata(), trailing)
    assert isinstance(from_rpc_error(error, service="positions", method="/x.Y/Z"), RemoteFailure)


def test_an_unavailable_that_the_other_side_meant_keeps_its_reason() -> None:
    back = over_the_wire(BusUnavailable())
    assert isinstance(back, BusUnavailable)
    assert isinstance(back, Unavailable)


def test_long_values_are_cut_so_that_the_answer_arrives() -> None:
    back = over_the_wire(LeaseLost(key="k" * 100_000))
    assert isinstance(back, LeaseLost)
    assert len(back.message) <= 1024
    assert len(back.metadata["key"]) <= 512
