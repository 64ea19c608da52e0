"""The walls between the rooms, held by reading the imports of every module of services/ and deploy/.

The names of what is imported are taken from the source, so a wall holds for code that no test runs.
"""

import ast
import re
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("positions", "reconciler", "monitor", "gateway")
STANDARD_LIBRARY = frozenset(sys.stdlib_module_names)
EDGES = frozenset({"rpc", "events", "clients"})
GATEWAY_EDGES = EDGES | {"http", "stream"}
WITHOUT_ORDERS = ("positions", "reconciler", "gateway")
WITHOUT_EXCHANGES = ("reconciler", "gateway")
BAD_NAMES = re.compile(r"(.*_)?(utils?|helpers?|managers?|misc|stuff|base)")
HALF_OF_FILES_UNDER = 150
NO_FILE_OVER = 400


@dataclass(frozen=True)
class Module:
    """One source file under its dotted name."""

    path: Path

    @property
    def name(self) -> str:
        parts = self.path.relative_to(ROOT).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.path.read_text(encoding="utf-8"))

    @cached_property
    def imports(self) -> frozenset[str]:
        """Everything imported anywhere in the file, as the dotted path of module or object."""
        return frozenset(self._imports())

    @property
    def lines(self) -> int:
        return len(self.path.read_text(encoding="utf-8").splitlines())

    @property
    def rooms(self) -> tuple[str, ...]:
        """The parts of the name below its service."""
        return tuple(self.name.split(".")[2:])

    def _imports(self) -> Iterator[str]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                source = self._source(node)
                yield from (f"{source}.{alias.name}" for alias in node.names)

    def _source(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        package = self.name.split(".")
        if self.path.name != "__init__.py":
            package = package[:-1]
        above = package[: len(package) - node.level + 1]
        return ".".join([*above, *([node.module] if node.module else [])])


def modules_of(*packages: str) -> list[Module]:
    found = [Module(path) for package in packages for path in sorted((ROOT / package).rglob("*.py"))]
    return [module for module in found if "node_modules" not in module.path.parts]


TELL_OF_VENUES = ("services.common.venues", "services.common.standing")
"""Each service that asks venues tells of bans, and of how it stands with them, in the same words."""

ALL = modules_of("services", "deploy")
BY_NAME = {module.name: module for module in ALL}


def inside(name: str, *packages: str) -> bool:
    """Whether a dotted name is one of these packages or below one."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def offences(modules: list[Module], *allowed: str, of: tuple[str, ...]) -> list[str]:
    """The imports out of `of` that are not out of `allowed`."""
    return [
        f"{module.name} imports {name}"
        for module in modules
        for name in sorted(module.imports)
        if inside(name, *of) and not inside(name, *allowed)
    ]


def foreign(modules: list[Module], *allowed: str) -> list[str]:
    """The imports that are neither the standard library's nor of `allowed`."""
    return [
        f"{module.name} imports {name}"
        for module in modules
        for name in sorted(module.imports)
        if name.split(".")[0] not in STANDARD_LIBRARY and not inside(name, *allowed)
    ]


def reachable(start: list[Module]) -> dict[str, str]:
    """Every module of ours that importing these imports in turn, each with the one that brought it."""
    brought: dict[str, str] = {}
    waiting = list(start)
    while waiting:
        module = waiting.pop()
        for imported in module.imports:
            parts = imported.split(".")
            for length in range(1, len(parts) + 1):
                name = ".".join(parts[:length])
                if name in BY_NAME and name not in brought:
                    brought[name] = module.name
                    waiting.append(BY_NAME[name])
    return brought


def test_a_service_imports_only_itself_the_common_part_and_the_contract() -> None:
    found = [
        offence
        for service in SERVICES
        for offence in offences(
            modules_of(f"services/{service}"),
            f"services.{service}",
            "services.common",
            of=("services", "deploy", "tests"),
        )
    ]
    assert found == []


def test_the_common_part_imports_no_service_and_none_of_our_messages() -> None:
    common = modules_of("services/common")
    assert (
        offences(
            [module for module in common if module.name not in TELL_OF_VENUES],
            "services.common",
            of=("services", "protos", "deploy", "tests"),
        )
        == []
    )
    assert (
        offences(
            [BY_NAME[name] for name in TELL_OF_VENUES],
            *("services.common", "protos.venue", "protos.positions.v1.types_pb2"),
            of=("services", "protos", "deploy", "tests"),
        )
        == []
    )


def test_the_vocabulary_imports_the_standard_library_alone() -> None:
    assert foreign(modules_of("services/common/trading"), "services.common.trading") == []


def test_the_errors_that_a_domain_may_use_import_the_standard_library_alone() -> None:
    assert foreign([BY_NAME["services.common.errors"]]) == []


def test_a_domain_is_pure() -> None:
    found = [
        offence
        for service in SERVICES
        for offence in foreign(
            modules_of(f"services/{service}/domain"),
            f"services.{service}.domain",
            "services.common.trading",
            "services.common.errors",
        )
    ]
    assert found == []


def test_a_domain_neither_waits_nor_logs() -> None:
    impure = {"asyncio", "logging", "socket", "threading", "time", "os", "subprocess", "random"}
    domains = [module for module in ALL if module.rooms[:1] == ("domain",)] + modules_of("services/common/trading")
    found = [
        f"{module.name} imports {name}"
        for module in domains
        for name in sorted(module.imports)
        if name.split(".")[0] in impure
    ]
    found += [
        f"{module.name} has async code"
        for module in domains
        if any(isinstance(node, ast.AsyncFunctionDef | ast.Await) for node in ast.walk(module.tree))
    ]
    assert found == []


def test_only_the_edges_of_a_service_speak_in_our_messages() -> None:
    inner = [
        module
        for service in SERVICES
        for module in modules_of(f"services/{service}")
        if not set(module.rooms) & (GATEWAY_EDGES if service == "gateway" else EDGES)
    ]
    assert offences(inner, of=("protos",)) == []


def test_only_the_exchange_door_imports_ccxt() -> None:
    elsewhere = [module for module in ALL if not inside(module.name, "services.common.exchange")]
    assert offences(elsewhere, of=("ccxt",)) == []


def test_who_may_not_trade_cannot_reach_the_code_that_places_orders() -> None:
    for service in WITHOUT_ORDERS:
        reached = reachable(modules_of(f"services/{service}"))
        orders = {name: by for name, by in reached.items() if inside(name, "services.common.exchange.orders")}
        assert orders == {}, f"{service} can place orders"


def test_who_asks_others_about_exchanges_does_not_load_them() -> None:
    for service in WITHOUT_EXCHANGES:
        reached = reachable(modules_of(f"services/{service}"))
        assert {name: by for name, by in reached.items() if inside(name, "services.common.exchange")} == {}


def test_the_sandbox_shares_no_code_with_the_services_that_it_tests() -> None:
    assert offences(modules_of("deploy/sandbox"), of=("services", "protos")) == []


def test_only_settings_read_the_environment() -> None:
    found = [
        module.name
        for module in modules_of("services")
        if module.path.name != "config.py"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
        and node.attr in {"environ", "getenv", "environb"}
    ]
    found += [
        module.name
        for module in modules_of("services")
        if module.path.name != "config.py" and module.imports & {"os.environ", "os.getenv"}
    ]
    assert found == []


def test_modules_are_named_for_what_they_hold() -> None:
    assert [module.name for module in ALL if BAD_NAMES.fullmatch(module.path.stem)] == []
    assert [module.name for module in ALL if BAD_NAMES.fullmatch(module.path.parent.name)] == []


def test_every_service_says_what_it_owns_publishes_consumes_and_calls() -> None:
    for service in SERVICES:
        text = ast.get_docstring(BY_NAME[f"services.{service}"].tree) or ""
        assert [word for word in ("Owns", "Publishes", "Consumes", "Calls") if word.lower() not in text.lower()] == []


def test_files_are_small() -> None:
    sizes = {module.name: module.lines for module in ALL if module.lines}
    report = "\n".join(f"{lines:5} {name}" for name, lines in sorted(sizes.items(), key=lambda one: -one[1])[:15])
    print(f"{len(sizes)} files, median {statistics.median(sizes.values()):.0f} lines; the longest:\n{report}")  # noqa: T201
    assert statistics.median(sizes.values()) < HALF_OF_FILES_UNDER
    assert {name: lines for name, lines in sizes.items() if lines > NO_FILE_OVER} == {}
