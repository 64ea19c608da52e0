"""Alembic's entry: services.common.migration drives it."""

from services.common.migration import run_migrations

run_migrations()
