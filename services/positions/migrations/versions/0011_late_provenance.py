"""A closed row may learn what it came of, once: where the order that opened it is told after it has ended."""

from alembic import op

revision = "0011"
down_revision = "0010"

_KEEP_BOOKS = """
CREATE OR REPLACE FUNCTION keep_books() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.position_id, OLD.user_id, OLD.account_id, OLD.venue, OLD.symbol, OLD.position_side, OLD.side)
        IS DISTINCT FROM
        (NEW.position_id, NEW.user_id, NEW.account_id, NEW.venue, NEW.symbol, NEW.position_side, NEW.side) THEN
        RAISE EXCEPTION 'position % violates check constraint "positions_identity_check": it keeps what it is',
            OLD.position_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'positions_identity_check';
    END IF;
    IF NEW.version NOT IN (OLD.version, OLD.version + 1) THEN
        RAISE EXCEPTION 'position % violates check constraint "positions_version_check": % does not follow %',
            OLD.position_id, NEW.version, OLD.version
            USING ERRCODE = 'check_violation', CONSTRAINT = 'positions_version_check';
    END IF;
    IF OLD.status <> 'open' AND NOT (__ALLOWED__) THEN
        RAISE EXCEPTION 'position % violates check constraint "positions_closed_check": only an estimated exit changes',
            OLD.position_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'positions_closed_check';
    END IF;
    RETURN NEW;
END
$$
"""
_COMPLETED = (
    "NEW.status <> 'open' AND NEW.version = OLD.version + 1"
    " AND OLD.exit_estimated IS TRUE AND NEW.exit_estimated IS FALSE"
)
_FUNDED = """NEW.version = OLD.version + 1 AND NEW.funding IS DISTINCT FROM OLD.funding
        AND (OLD.status, OLD.exit_price, OLD.exit_quantity, OLD.exit_fee, OLD.exit_reason, OLD.exit_cause,
            OLD.closed_at, OLD.exit_estimated, OLD.quantity, OLD.entry_price)
        IS NOT DISTINCT FROM (NEW.status, NEW.exit_price, NEW.exit_quantity, NEW.exit_fee, NEW.exit_reason,
            NEW.exit_cause, NEW.closed_at, NEW.exit_estimated, NEW.quantity, NEW.entry_price)"""
_TOLD = """NEW.version = OLD.version + 1
        AND (OLD.flow_id, OLD.node_id, OLD.execution_id, OLD.agent, OLD.ai_reasoning) IS NULL
        AND to_jsonb(OLD) - ARRAY['version', 'changed_at', 'origin', 'managed', 'intent_id', 'flow_id', 'node_id',
            'execution_id', 'agent', 'ai_reasoning', 'ai_confidence', 'market_conditions']
        = to_jsonb(NEW) - ARRAY['version', 'changed_at', 'origin', 'managed', 'intent_id', 'flow_id', 'node_id',
            'execution_id', 'agent', 'ai_reasoning', 'ai_confidence', 'market_conditions']"""


def upgrade() -> None:
    """The rest of a closed row stays as it is."""
    op.execute(_KEEP_BOOKS.replace("__ALLOWED__", f"({_COMPLETED}) OR ({_FUNDED}) OR ({_TOLD})"))


def downgrade() -> None:
    """As it was."""
    op.execute(_KEEP_BOOKS.replace("__ALLOWED__", f"({_COMPLETED}) OR ({_FUNDED})"))
