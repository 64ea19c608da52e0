"""What stands in the way of reconciling."""

from services.common.errors import NotFound, Unavailable


class AccountNotScheduled(NotFound):
    """Account {account_id} is no longer reconciled."""


class ObservationUnreadable(Unavailable):
    """The positions service answered something that cannot be read: {problem}."""
