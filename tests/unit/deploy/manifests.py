"""What the overlays come to, as kubectl builds them."""

import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[3]
OVERLAYS = ("local", "production")
NAME = "app.kubernetes.io/name"


@cache
def built(overlay: str) -> tuple[dict[str, Any], ...]:
    """The documents of an overlay."""
    kubectl = Path(sys.executable).with_name("kubectl")
    command = [str(kubectl), "kustomize", str(ROOT / "deploy" / "k8s" / "overlays" / overlay)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return tuple(document for document in yaml.safe_load_all(result.stdout) if document)


def of_kind(overlay: str, kind: str) -> dict[str, dict[str, Any]]:
    """The documents of one kind by name."""
    return {one["metadata"]["name"]: one for one in built(overlay) if one["kind"] == kind}


def pod(deployment: dict[str, Any]) -> dict[str, Any]:
    """The pod that a Deployment, StatefulSet or Job starts."""
    specification: dict[str, Any] = deployment["spec"]["template"]["spec"]
    return specification


def label(document: dict[str, Any]) -> str:
    """The name label of a workload's pods."""
    return str(document["spec"]["template"]["metadata"]["labels"][NAME])
