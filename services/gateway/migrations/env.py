"""Migrations of the schema gateway."""

from services.common.migration import run_migrations

run_migrations()
