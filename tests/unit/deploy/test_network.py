"""The network lets through what the services are built to do, and nothing else."""

from typing import Any

import pytest

from deploy.local.processes import SERVICES
from tests.unit.deploy.manifests import NAME, OVERLAYS, of_kind
from tests.unit.test_architecture import WITHOUT_EXCHANGES

GRPC, POSTGRES, NATS, HTTPS = 50051, 5432, 4222, 443


def policies(overlay: str, service: str) -> list[dict[str, Any]]:
    """The policies that hold for a service's pods."""
    return [one for one in of_kind(overlay, "NetworkPolicy").values() if _selects(one["spec"]["podSelector"], service)]


def _selects(selector: dict[str, Any], service: str) -> bool:
    labels = {NAME: service, "app.kubernetes.io/part-of": "tandem"}
    wanted = selector.get("matchLabels", {})
    if any(labels.get(name) != value for name, value in wanted.items()):
        return False
    return all(
        labels.get(expression["key"]) in expression["values"] for expression in selector.get("matchExpressions", [])
    )


def reached(overlay: str, service: str, direction: str, port: int) -> list[dict[str, Any]]:
    """The peers that a service may talk to on a port."""
    peers = "to" if direction == "egress" else "from"
    return [
        peer
        for policy in policies(overlay, service)
        for rule in policy["spec"].get(direction, [])
        if port in {entry["port"] for entry in rule.get("ports", [])}
        for peer in rule.get(peers, [])
    ]


def names(peers: list[dict[str, Any]]) -> set[str]:
    """The services among peers."""
    return {peer["podSelector"]["matchLabels"][NAME] for peer in peers if "matchLabels" in peer.get("podSelector", {})}


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_a_service_may_call_whom_it_calls_and_be_called_by_its_callers(overlay: str, service: Any) -> None:
    callers = {other.name for other in SERVICES if service.name in other.calls}
    assert names(reached(overlay, service.name, "egress", GRPC)) == set(service.calls)
    assert names(reached(overlay, service.name, "ingress", GRPC)) == callers


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_every_service_reaches_its_engines(overlay: str, service: Any) -> None:
    assert "postgres" in names(reached(overlay, service.name, "egress", POSTGRES))
    assert "nats" in names(reached(overlay, service.name, "egress", NATS))


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_only_those_that_use_exchanges_reach_the_world(service: Any) -> None:
    blocks = [peer["ipBlock"] for peer in reached("local", service.name, "egress", HTTPS)]
    assert bool(blocks) == (service.name not in WITHOUT_EXCHANGES)
    for block in blocks:
        assert {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"} <= set(block["except"])


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_is_not_allowed_is_refused(overlay: str) -> None:
    closed = of_kind(overlay, "NetworkPolicy")["nothing"]["spec"]
    assert closed == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_from_outside_only_the_gateway_is_reached() -> None:
    outside = {
        service.name
        for service in SERVICES
        for port in (8000, GRPC)
        for peer in reached("production", service.name, "ingress", port)
        if "namespaceSelector" in peer
    }
    assert outside == {"gateway"}
