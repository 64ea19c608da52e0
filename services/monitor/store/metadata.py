"""What all tables of the monitor's schema stand in, with those that every service has."""

from services.common.database import table_metadata
from services.common.leases import lease_table
from services.common.outbox import outbox_table

METADATA = table_metadata()

outbox_table(METADATA)
lease_table(METADATA)
