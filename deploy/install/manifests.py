"""Kubernetes Secrets of one installation, for `kubectl apply -f -`: made here, never kept in the repository.

Invariants: each service's Secret holds what that service reads, under the names of its settings, and nothing else.
"""

import json
from collections.abc import Mapping

from deploy.install.files import nats_configuration, service_secrets
from deploy.local.database import SERVICES
from deploy.local.nats import ADMINISTRATOR
from deploy.local.secrets import Secrets


def write_manifests(secrets: Secrets, namespace: str, database_address: str) -> str:
    """A List of Secrets as JSON, which kubectl reads as well as YAML."""
    items = [
        _secret(f"{service}-secrets", namespace, service_secrets(secrets, service, database_address))
        for service in SERVICES
    ]
    items.append(_secret("postgres-administrator", namespace, {"password": secrets.postgres_password}))
    items.append(_secret("nats-server", namespace, {"nats.conf": nats_configuration(secrets)}))
    items.append(_secret("nats-administrator", namespace, {"password": secrets.nats_passwords[ADMINISTRATOR]}))
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items}, indent=2)


def _secret(name: str, namespace: str, values: Mapping[str, str]) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app.kubernetes.io/part-of": "tandem"}},
        "type": "Opaque",
        "stringData": dict(values),
    }
