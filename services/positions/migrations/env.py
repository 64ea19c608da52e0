"""Alembic's entry."""

from services.common.migration import run_migrations

run_migrations()
