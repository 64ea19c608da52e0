"""In the place of gateway."""

from tests.unit.local.fakes.service import run

run("gateway")
