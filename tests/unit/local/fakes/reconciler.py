"""In the place of reconciler."""

from tests.unit.local.fakes.service import run

run("reconciler")
