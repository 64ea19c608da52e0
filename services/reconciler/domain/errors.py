"""What stands in the way of reconciling."""

from services.common.errors import NotFound, Precondition, Unavailable


class AccountNotScheduled(NotFound):
    """Account {account_id} is no longer reconciled."""


class NoPendingAbsence(Precondition):
    """Nothing is missing of account {account_id} that could be confirmed."""


class ObservationUnreadable(Unavailable):
    """The positions service answered something that cannot be read: {problem}."""
