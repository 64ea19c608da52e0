"""What is measured is named alike; each alert has its place in the runbook and asks, as the dashboard does, for what
exists."""

import ast
import json
import math
import re
from collections.abc import Iterator
from typing import Any

import promql_parser
import pytest
import yaml

from tests.unit.deploy.manifests import ROOT, of_kind

KINDS = {"Counter": ("_total",), "Gauge": ("",), "Histogram": ("_bucket", "_sum", "_count")}
UNITS = ("seconds", "ratio", "usd", "bytes")
OF_PROMETHEUS = frozenset({"up"})
PERSONAL = frozenset({"user", "user_id", "account", "account_id", "position", "position_id", "symbol", "request_id"})
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
SECTIONS: dict[str, str] = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", RUNBOOK, re.MULTILINE | re.DOTALL))


def instruments() -> Iterator[tuple[str, str, list[str]]]:
    """The kind, the name and the labels of everything that any service measures."""
    for path in sorted((ROOT / "services").rglob("*.py")):
        tree = ast.parse(path.read_text())
        imported = {
            alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module == "prometheus_client"
            for alias in node.names
        }
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in imported & KINDS.keys()
            ):
                given = [ast.literal_eval(argument) for argument in node.args]
                yield node.func.id, given[0], given[2] if len(given) > 2 else []


MEASURED = list(instruments())
SERIES = {name + suffix for kind, name, _ in MEASURED for suffix in KINDS[kind]} | OF_PROMETHEUS


def series_of(expression: str) -> set[str]:
    """The series that an expression asks for; raises ValueError where it is none."""
    found: set[str] = set()

    def visit(one: Any) -> None:
        if isinstance(one, promql_parser.VectorSelector) and one.name is not None:
            found.add(one.name)
        for name in dir(one):
            inner = getattr(one, name)
            for child in inner if isinstance(inner, list) else [inner]:
                if isinstance(child, promql_parser.Expr):
                    visit(child)

    visit(promql_parser.parse(expression))
    assert found
    return found


def rules() -> list[dict[str, Any]]:
    groups = of_kind("production", "PrometheusRule")["tandem"]["spec"]["groups"]
    return [rule for group in groups for rule in group["rules"]]


def queries() -> list[str]:
    board = json.loads((ROOT / "deploy" / "grafana" / "tandem.json").read_text())
    asked = [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]
    return [expression.replace("$__rate_interval", "1m") for expression in asked]


def test_a_name_says_whose_and_in_what_unit() -> None:
    for _, name, labels in MEASURED:
        assert name.startswith("tandem_"), name
        assert not name.endswith("_total"), f"{name}: the library adds that"
        assert not re.search(r"_(ms|milliseconds|minutes|percent)$", name), f"{name}: not in base units"
        assert not PERSONAL.intersection(labels), f"{name} has a series for each of {labels}"
    for kind, name, _ in MEASURED:
        if kind == "Histogram":
            assert name.endswith(UNITS), f"{name} has no unit"


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))
def test_an_alert_asks_for_what_is_measured_and_says_what_to_do(rule: dict[str, Any]) -> None:
    assert series_of(rule["expr"]) <= SERIES
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["runbook"] == f"docs/runbook.md#{rule['alert'].lower()}"
    section = SECTIONS[rule["alert"]]
    for part in ("Symptom", "Meaning", "Look first", "Do", "Do not"):
        assert f"- **{part}.** " in section, f"{rule['alert']}: {part}"


def test_the_runbook_speaks_of_alerts_panels_and_settings_that_exist() -> None:
    assert list(SECTIONS) == list(dict.fromkeys(SECTIONS))
    assert SECTIONS.keys() == {rule["alert"] for rule in rules()}
    board = json.loads((ROOT / "deploy" / "grafana" / "tandem.json").read_text())
    titles = "\n".join(panel["title"] for panel in board["panels"])
    for emphasised in re.findall(r"(?<!\*)\*([A-Z][^*\n]*)\*(?!\*)", "".join(SECTIONS.values())):
        assert emphasised in titles, f"no panel {emphasised!r}"
    settings = (ROOT / "docs" / "configuration.md").read_text()
    for setting in re.findall(r"`([A-Z]+(?:_[A-Z]+)+)`", RUNBOOK):
        words = ("FEED_DOWN", "FEED_STALE", "NO_PRICE", "CLOSING_PAUSED", "CLOSE_REFUSED", "PAUSES_UNKNOWN")
        assert setting in words or f"`{setting}`" in settings, f"no setting {setting}"


@pytest.mark.parametrize("expression", queries())
def test_the_dashboard_asks_for_what_is_measured(expression: str) -> None:
    assert series_of(expression) <= SERIES


def test_what_is_measured_is_shown_or_alerted_of() -> None:
    asked = set[str]().union(*(series_of(one) for one in [*queries(), *(rule["expr"] for rule in rules())]))
    unseen = {name for kind, name, _ in MEASURED if not any(name + suffix in asked for suffix in KINDS[kind])}
    assert unseen <= FOR_THE_CURIOUS, f"nobody looks at {unseen - FOR_THE_CURIOUS}"


FOR_THE_CURIOUS = frozenset(
    {
        "tandem_alert_catching_up",
        "tandem_alert_thresholds",
        "tandem_evaluation_positions",
        "tandem_evaluations_in_flight",
        "tandem_evaluations_skipped",
        "tandem_sentiment_reads",
    }
)


def seconds(duration: str) -> float:
    """Of a duration as cert-manager reads it: hours."""
    return float(duration.removesuffix("h")) * 3600


def test_certificates_are_told_of_a_week_and_a_day_before_their_end_and_never_while_they_are_renewed_in_time() -> None:
    limits = {
        rule["alert"]: math.prod(int(factor) for factor in rule["expr"].rpartition("<")[2].split("*"))
        for rule in rules()
        if "tandem_certificate_expiry_timestamp_seconds" in series_of(rule["expr"])
    }
    assert limits == {"CertificateEndsSoon": 7 * 86_400, "CertificateEndsToday": 86_400}
    certificates = of_kind("production", "Certificate")
    assert certificates.keys() == {"authority", "positions", "reconciler", "monitor", "gateway"}
    for name, certificate in certificates.items():
        duration, renewed = (seconds(certificate["spec"][key]) for key in ("duration", "renewBefore"))
        assert max(limits.values()) < renewed < duration, name


def test_what_the_authority_signs_is_trusted_before_and_after_its_renewal() -> None:
    """cert-manager's own default, since 1.18, is a new key at each renewal."""
    authority = of_kind("production", "Certificate")["authority"]["spec"]
    assert authority["privateKey"]["rotationPolicy"] == "Never"


def test_the_rules_are_found_where_the_manifests_say() -> None:
    production = yaml.safe_load((ROOT / "deploy/k8s/overlays/production/kustomization.yaml").read_text())
    assert "alerts.yaml" in production["resources"]
