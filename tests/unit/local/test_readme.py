"""README keeps up with what the project stands on and with what a person is told to run."""

import re
import tomllib

import pytest

from deploy.local.processes import ROOT
from deploy.local.startup import STARTING, STARTUP_LINES

README = (ROOT / "README.md").read_text()


def test_every_direct_dependency_is_explained() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    names = {re.split(r"[\[<>=~ ]", requirement)[0] for requirement in wanted}
    explained = {
        name.strip() for row in re.findall(r"^\| ([a-z0-9, -]+) \|", README, re.MULTILINE) for name in row.split(",")
    }
    assert names <= explained, f"not in README's tables: {sorted(names - explained)}"


def test_the_startup_lines_are_shown_as_they_are() -> None:
    assert "\n".join([STARTING, *(line.text for line in STARTUP_LINES)]) in README


@pytest.mark.parametrize(
    "target", sorted(set(re.findall(r"(?:^|[`(] ?|\$ )make (?:-s )?([a-z]+)", README, re.MULTILINE)))
)
def test_every_target_that_is_named_exists(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
