"""Every kind of fact becomes a push to the user whom it names."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message

from protos.monitor.v1 import events_pb2, flows_pb2
from protos.positions.v1 import types_pb2
from protos.reconciler.v1 import events_pb2 as reconciler_events
from services.common.bus import Received
from services.gateway import events, stream
from services.gateway.events import KINDS, SUBJECTS, Facts
from services.gateway.hub import Ending, Hub
from tests.unit.gateway.test_advisor import evaluation

NOW = datetime(2025, 10, 21, 12, tzinfo=UTC)
EXECUTION = flows_pb2.Execution(
    execution_id="e", flow_id="trend", side=types_pb2.SIDE_LONG, state=flows_pb2.EXECUTION_STATE_OPEN, sequence=2
)
UPDATE = flows_pb2.ExecutionUpdate(sequence=2, step=flows_pb2.EXECUTION_STEP_OPENED, detail="opened at 100")
PUSHES: list[tuple[str, str, Message, dict[str, Any]]] = [
    (
        "reconciler",
        "reconciliation_suspicious",
        reconciler_events.ReconciliationSuspicious(
            user_id="demo",
            account_id="a",
            exchange="binance",
            run_id="r",
            reason="3 seem gone",
            position_ids=["OP_1_1"],
        ),
        {"runId": "r", "accountId": "a", "since": None, "positionIds": ["OP_1_1"], "ended": False},
    ),
    (
        "monitor",
        "guard_changed",
        events_pb2.GuardChanged(user_id="demo", account_id="a", guarded=False, reason="feed stale"),
        {"accountId": "a", "guarded": False, "reason": "feed stale"},
    ),
    (
        "monitor",
        "position_evaluated",
        events_pb2.PositionEvaluated(user_id="demo", account_id="a", evaluation=evaluation()),
        {"id": "v", "action": "move_stop", "outcome": "withheld", "price": 65200},
    ),
    (
        "monitor",
        "execution_updated",
        events_pb2.ExecutionUpdated(user_id="demo", update=UPDATE, execution=EXECUTION),
        {"update": {"sequence": 2, "timestamp": None, "step": "opened", "detail": "opened at 100"}},
    ),
]


@pytest.mark.parametrize(("owner", "name", "fact", "shown"), PUSHES, ids=[name for _, name, *_ in PUSHES])
async def test_a_fact_is_pushed_to_its_user(owner: str, name: str, fact: Any, shown: dict[str, Any]) -> None:
    hub = Hub(8, per_user=4)
    mine, others = hub.attach("demo"), hub.attach("eve")
    fact.occurred_at.FromDatetime(NOW)
    await Facts(hub).handle(Received(f"{owner}.v1.{name}.demo", fact.SerializeToString(), "e", 9, NOW, 1))
    push = json.loads(await mine.next())
    assert (push["type"], push["sequence"], push["timestamp"]) == (name, 9, "2025-10-21T12:00:00.000Z")
    assert {key: push["data"][key] for key in shown} == shown
    assert others.put("nothing before this")
    assert await others.next() == "nothing before this"


@pytest.mark.parametrize("kind", events_pb2.AlertKind.values()[1:])
async def test_every_kind_of_alert_is_pushed(kind: events_pb2.AlertKind.ValueType) -> None:
    hub = Hub(8, per_user=4)
    mine = hub.attach("demo")
    alert = events_pb2.AlertTriggered(user_id="demo", kind=kind, alert_id="a", note="n")
    await Facts(hub).handle(Received("monitor.v1.alert_triggered.demo", alert.SerializeToString(), "e", 9, NOW, 1))
    data = json.loads(await mine.next())["data"]
    assert data["kind"] == events_pb2.AlertKind.Name(kind).removeprefix("ALERT_KIND_").lower()
    assert (data["alertId"], data["note"], data["exchange"]) == ("a", "n", None)


def test_every_kind_is_followed() -> None:
    assert sorted(subject.split(".")[2] for subject in SUBJECTS) == sorted(KINDS)
    assert {kind.owner for kind in KINDS.values()} == {"positions", "reconciler", "monitor"}


def test_the_gateways_page_names_every_kind_of_fact_and_every_code_of_a_close() -> None:
    page = Path(events.__file__).with_name("README.md").read_text()
    for kind in [*KINDS, "position_marked", "resync_required"]:
        assert f"`{kind}`" in page or f'"{kind}"' in page, kind
    codes = [stream.UNAUTHENTICATED, stream.TRY_AGAIN_LATER, stream.UNSUPPORTED_DATA]
    for code in [*codes, *(ending.code for ending in Ending)]:
        assert f"\n| {code} | " in page
