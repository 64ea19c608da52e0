"""In the place of monitor."""

from tests.unit.local.fakes.service import run

run("monitor")
