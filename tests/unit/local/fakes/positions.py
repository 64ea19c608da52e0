"""In the place of positions."""

from tests.unit.local.fakes.service import run

run("positions")
