"""What can stand in the way of a call to positions, beyond the errors that services share."""

from services.common.errors import (
    AccountNotFound,
    Conflict,
    Denied,
    Invalid,
    LevelAlreadyCrossed,
    NotFound,
    Precondition,
    PriceUnavailable,
    RequestIdReused,
    StopBeyondLiquidation,
    Unavailable,
    VersionConflict,
)

__all__ = [
    "AccountHasManagedPositions",
    "AccountNotFound",
    "AccountOfAnotherUser",
    "FillsExceedPosition",
    "FloorWithoutTrailingStop",
    "IntentReused",
    "InvalidPageToken",
    "InvalidPeriod",
    "KeyCanWithdraw",
    "KeyCannotTrade",
    "KeyRefusedByVenue",
    "LevelAlreadyCrossed",
    "OpeningConflict",
    "PriceUnavailable",
    "RequestIdReused",
    "StopBeyondLiquidation",
    "TransactionNotFound",
    "VenueUnavailable",
    "VersionConflict",
]


class KeyRefusedByVenue(Precondition):
    """{exchange} refused the key: {why}."""


class KeyCanWithdraw(Denied):
    """This key can withdraw. Make one on {exchange} that may read and trade futures only, and add that."""


class AccountOfAnotherUser(Denied):
    """This account at {exchange} is registered with another user of Tandem."""


class VenueUnavailable(Unavailable):
    """{exchange} did not answer: {why}."""


class InvalidPeriod(Invalid):
    """The period {period} is not known; it is one of 24h, 7d, 30d, 90d, 1y, all."""


class InvalidPageToken(Invalid):
    """The page token is not one of ours."""


class FillsExceedPosition(Precondition):
    """These fills take more than the {quantity} that the books hold of position {position_id}: they lag behind."""


class FloorWithoutTrailingStop(Precondition):
    """Position {position_id} has no enforced trailing stop that a floor could lie under."""


class OpeningConflict(Conflict):
    """{symbol} is open on the other side in position {position_id}: this opening cannot be booked beside it."""


class IntentReused(Invalid):
    """The intent {intent_id} has opened something else already."""


class TransactionNotFound(NotFound):
    """Transaction {transaction_id} does not exist."""


class KeyCannotTrade(Precondition):
    """The key of this account may not trade. Allow futures trading at {exchange}, then have it verified again."""


class AccountHasManagedPositions(Precondition):
    """The account has {count} positions in Tandem's care. Close or release them first."""
