"""The venues' own error codes, as kinds. What is not listed is REFUSED when the venue plainly said no."""

from services.common.exchange.errors import VenueErrorKind as Kind

BINANCE: dict[int, Kind] = {
    -1000: Kind.VENUE_FAILURE,  # an unknown error occurred while processing the request
    -1001: Kind.VENUE_FAILURE,  # internal error, unable to process the request
    -1002: Kind.NOT_PERMITTED,
    -1003: Kind.RATE_LIMITED,
    -1006: Kind.VENUE_FAILURE,  # unexpected response from the message bus: execution status unknown
    -1007: Kind.TIMEOUT,  # backend timed out: execution status unknown
    -1008: Kind.OVERLOADED,  # throttled by system protection: surely not executed
    -1011: Kind.NOT_PERMITTED,
    -1013: Kind.FILTERS,
    -1015: Kind.RATE_LIMITED,  # too many new orders
    -1016: Kind.MARKET_CLOSED,  # service shutting down
    -1021: Kind.CLOCK,
    -1022: Kind.BAD_KEY,
    -1099: Kind.NOT_PERMITTED,
    -1109: Kind.NOT_PERMITTED,
    -1111: Kind.FILTERS,
    -1112: Kind.NO_LIQUIDITY,
    -1121: Kind.UNKNOWN_SYMBOL,
    -1122: Kind.MARKET_CLOSED,
    -2008: Kind.BAD_KEY,
    -2011: Kind.NOT_FOUND,  # cancel rejected: unknown order
    -2013: Kind.NOT_FOUND,
    -2014: Kind.BAD_KEY,
    -2015: Kind.BAD_KEY,
    -2017: Kind.BAD_KEY,  # locked
    -2018: Kind.INSUFFICIENT_MARGIN,
    -2019: Kind.INSUFFICIENT_MARGIN,
    -2020: Kind.NO_LIQUIDITY,
    -2022: Kind.NOTHING_TO_REDUCE,
    -2023: Kind.NOT_PERMITTED,  # user in liquidation mode
    -2024: Kind.NOTHING_TO_REDUCE,
    -2027: Kind.RISK_LIMIT,
    -2028: Kind.INSUFFICIENT_MARGIN,
    -4001: Kind.FILTERS,
    -4002: Kind.FILTERS,
    -4003: Kind.FILTERS,
    -4004: Kind.FILTERS,
    -4005: Kind.FILTERS,
    -4013: Kind.FILTERS,
    -4014: Kind.FILTERS,
    -4023: Kind.FILTERS,
    -4028: Kind.LEVERAGE,
    -4050: Kind.INSUFFICIENT_MARGIN,
    -4051: Kind.INSUFFICIENT_MARGIN,
    -4060: Kind.POSITION_MODE,
    -4061: Kind.POSITION_MODE,
    -4062: Kind.POSITION_MODE,
    -4087: Kind.NOT_PERMITTED,  # may only reduce
    -4088: Kind.NOT_PERMITTED,
    -4105: Kind.MARKET_CLOSED,  # only for reducing
    -4106: Kind.MARKET_CLOSED,
    -4107: Kind.MARKET_CLOSED,
    -4108: Kind.MARKET_CLOSED,
    -4109: Kind.NOT_PERMITTED,
    -4116: Kind.DUPLICATE_ID,
    -4118: Kind.REDUCE_ONLY_CONFLICT,
    -4131: Kind.NO_LIQUIDITY,  # the best price is outside of the price filter
    -4140: Kind.MARKET_CLOSED,
    -4141: Kind.MARKET_CLOSED,
    -4161: Kind.LEVERAGE,  # not lower while there is an isolated position
    -4164: Kind.FILTERS,  # notional below the minimum
    -4189: Kind.NOT_PERMITTED,  # the account may only reduce
    -4192: Kind.NOT_PERMITTED,
    -4202: Kind.LEVERAGE,
    -4203: Kind.LEVERAGE,
    -4205: Kind.LEVERAGE,
    -4206: Kind.LEVERAGE,
    -4208: Kind.LEVERAGE,
    -4209: Kind.LEVERAGE,
    -4400: Kind.NOT_PERMITTED,
    -4401: Kind.NOT_PERMITTED,
    -4402: Kind.NOT_PERMITTED,
    -4403: Kind.LEVERAGE,
    -5028: Kind.CLOCK,  # outside of the matching engine's receive window
}

BYBIT: dict[int, Kind] = {
    10000: Kind.TIMEOUT,  # server timeout: execution status unknown
    10002: Kind.CLOCK,
    10003: Kind.BAD_KEY,
    10004: Kind.BAD_KEY,
    10005: Kind.NOT_PERMITTED,
    10006: Kind.RATE_LIMITED,  # this account's limit, not the address's
    10007: Kind.BAD_KEY,
    10008: Kind.NOT_PERMITTED,
    10009: Kind.BANNED,
    10010: Kind.BAD_KEY,  # the key is bound to other addresses
    10014: Kind.DUPLICATE_ID,
    10016: Kind.VENUE_FAILURE,  # server error: execution status unknown
    10018: Kind.BANNED,  # the address's limit
    10019: Kind.OVERLOADED,  # service restarting
    10024: Kind.NOT_PERMITTED,
    10027: Kind.NOT_PERMITTED,
    10028: Kind.NOT_PERMITTED,
    10029: Kind.UNKNOWN_SYMBOL,
    10429: Kind.RATE_LIMITED,
    30228: Kind.MARKET_CLOSED,
    33004: Kind.BAD_KEY,  # the key has expired
    110001: Kind.NOT_FOUND,
    110003: Kind.FILTERS,
    110004: Kind.INSUFFICIENT_MARGIN,
    110006: Kind.INSUFFICIENT_MARGIN,
    110007: Kind.INSUFFICIENT_MARGIN,
    110008: Kind.NOT_FOUND,
    110010: Kind.NOT_FOUND,
    110011: Kind.INSUFFICIENT_MARGIN,  # it would lead to liquidation at once
    110012: Kind.INSUFFICIENT_MARGIN,
    110013: Kind.LEVERAGE,
    110016: Kind.RISK_LIMIT,
    110017: Kind.NOTHING_TO_REDUCE,
    110020: Kind.RISK_LIMIT,
    110021: Kind.RISK_LIMIT,
    110022: Kind.RISK_LIMIT,
    110023: Kind.MARKET_CLOSED,
    110030: Kind.DUPLICATE_ID,
    110034: Kind.NOTHING_TO_REDUCE,
    110036: Kind.LEVERAGE,
    110038: Kind.LEVERAGE,
    110039: Kind.INSUFFICIENT_MARGIN,
    110042: Kind.MARKET_CLOSED,
    110043: Kind.UNCHANGED,
    110044: Kind.INSUFFICIENT_MARGIN,
    110045: Kind.INSUFFICIENT_MARGIN,
    110046: Kind.INSUFFICIENT_MARGIN,
    110051: Kind.INSUFFICIENT_MARGIN,
    110052: Kind.INSUFFICIENT_MARGIN,
    110053: Kind.INSUFFICIENT_MARGIN,
    110063: Kind.MARKET_CLOSED,
    110066: Kind.MARKET_CLOSED,
    110072: Kind.DUPLICATE_ID,
    110074: Kind.MARKET_CLOSED,
    110086: Kind.LEVERAGE,
    110087: Kind.LEVERAGE,
    110090: Kind.RISK_LIMIT,
    110094: Kind.FILTERS,
}
