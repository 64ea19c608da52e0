"""Every process runs confined, is probed on its admin port, and is given its own secrets by reference."""

from typing import Any

import pytest

from deploy.local.processes import SERVICES
from tests.unit.deploy.manifests import OVERLAYS, built, label, of_kind, pod

NAMES = [service.name for service in SERVICES]


def workloads(overlay: str) -> list[dict[str, Any]]:
    return [one for one in built(overlay) if one["kind"] in ("Deployment", "StatefulSet", "Job")]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_nothing_runs_as_root_or_writes_its_own_files(overlay: str) -> None:
    for workload in workloads(overlay):
        specification = pod(workload)
        assert specification["securityContext"]["runAsNonRoot"] is True
        assert specification["automountServiceAccountToken"] is False
        for container in specification["containers"]:
            confined = container["securityContext"]
            assert confined["readOnlyRootFilesystem"] is True
            assert confined["allowPrivilegeEscalation"] is False
            assert confined["capabilities"] == {"drop": ["ALL"]}
            assert "memory" in container["resources"]["limits"]
            assert {"cpu", "memory"} <= set(container["resources"]["requests"])


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("service", NAMES)
def test_a_service_is_probed_on_its_admin_port(overlay: str, service: str) -> None:
    container = pod(of_kind(overlay, "Deployment")[service])["containers"][0]
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "admin"}
    assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "admin"}
    assert {"name": "admin", "containerPort": 8080} in container["ports"]


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("service", NAMES)
def test_a_service_is_given_its_own_secrets_and_no_others(overlay: str, service: str) -> None:
    for kind, name in (("Deployment", service), ("Job", f"{service}-migration")):
        specification = pod(of_kind(overlay, kind)[name])
        given = {volume["secret"]["secretName"] for volume in specification["volumes"] if "secret" in volume}
        assert given == {f"{service}-secrets", f"{service}-tls"}
        assert label(of_kind(overlay, kind)[name]) == service


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_secret_is_in_the_manifests(overlay: str) -> None:
    assert of_kind(overlay, "Secret") == {}


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("service", NAMES)
def test_a_service_survives_the_loss_of_a_node(overlay: str, service: str) -> None:
    assert of_kind(overlay, "PodDisruptionBudget")[service]["spec"]["maxUnavailable"] == 1
    assert pod(of_kind(overlay, "Deployment")[service])["topologySpreadConstraints"]
    if overlay == "production":
        scaler = of_kind(overlay, "HorizontalPodAutoscaler").get(service)
        deployment = of_kind(overlay, "Deployment")[service]["spec"]
        assert (scaler["spec"]["minReplicas"] if scaler else deployment["replicas"]) >= 2


@pytest.mark.parametrize("service", [service.name for service in SERVICES if service.serves_grpc])
def test_calls_are_shared_among_replicas(service: str) -> None:
    assert of_kind("production", "Service")[service]["spec"]["clusterIP"] == "None"


@pytest.mark.parametrize("service", NAMES)
def test_a_certificate_says_who_the_service_is(service: str) -> None:
    certificate = of_kind("production", "Certificate")[service]["spec"]
    assert certificate["uris"] == [f"spiffe://tandem/{service}"]
    assert certificate["secretName"] == f"{service}-tls"
    assert service in certificate["dnsNames"]
