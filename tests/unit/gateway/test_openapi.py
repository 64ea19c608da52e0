"""Requests made up from the OpenAPI document: nothing is answered that the document does not promise, and no 5xx.

Schemathesis calls the application in a loop of its own; the fakes behind it hold one position, key and transaction.
"""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode, checks

from tests.unit.gateway.conftest import World
from tests.unit.gateway.positions import booked_position, live_answer, live_position
from tests.unit.gateway.test_books import transaction

EXAMPLES = 12
CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]


def operations() -> list[Any]:
    """Every operation of the document, over an application whose fakes know what the examples name."""
    world = World()
    world.books.positions["OP_1729425600_123"] = booked_position()
    world.live.answers["demo"] = live_answer(live_position())
    world.transactions.by_user["demo"] = [transaction()]
    schema = schemathesis.openapi.from_asgi("/openapi.json", world.app())
    schema.config.update(headers={"Authorization": f"Bearer {world.token(role='admin')}"})
    found: list[Any] = list(schema.get_all_operations())
    return [operation.ok() for operation in found]


@pytest.mark.parametrize("operation", operations(), ids=lambda operation: str(operation.label))
def test_every_answer_is_one_that_the_document_promises(operation: Any) -> None:
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(
        case=operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
        | operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)
    )
    def check(case: Any) -> None:
        case.call_and_validate(checks=CHECKS)

    check()
