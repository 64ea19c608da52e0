"""What Alembic runs for the monitor's schema."""

from services.common.migration import run_migrations

run_migrations()
