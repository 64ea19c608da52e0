"""The one place where the contract's enums become words.

The flat routes, which today's frontend uses, say OPEN, LONG, CLOSED_EXTERNALLY; the document routes and the WebSocket
say open, long, closed_externally. Exchanges are always in small letters.
"""

from functools import cache, lru_cache

from protos.monitor.v1 import alerts_pb2, evaluations_pb2, flows_pb2
from protos.monitor.v1 import events_pb2 as monitor_events
from protos.positions.v1 import live_pb2, positions_pb2, types_pb2
from protos.reconciler.v1 import reconciler_pb2

EXCHANGES = {"binance": types_pb2.EXCHANGE_BINANCE, "bybit": types_pb2.EXCHANGE_BYBIT}
EVERY_EXCHANGE = types_pb2.EXCHANGE_UNSPECIFIED
FILTERS = {
    "open": positions_pb2.POSITION_FILTER_OPEN,
    "closed": positions_pb2.POSITION_FILTER_CLOSED,
    "all": positions_pb2.POSITION_FILTER_ALL,
}
LEVELS = {
    "stop_loss": positions_pb2.LEVEL_KIND_STOP_LOSS,
    "take_profit": positions_pb2.LEVEL_KIND_TAKE_PROFIT,
}

SIDES = {"long": types_pb2.SIDE_LONG, "short": types_pb2.SIDE_SHORT}
TRIGGER_PRICES = {"mark": types_pb2.TRIGGER_PRICE_MARK, "last": types_pb2.TRIGGER_PRICE_LAST}
DIRECTIONS = {"above": alerts_pb2.ALERT_DIRECTION_ABOVE, "below": alerts_pb2.ALERT_DIRECTION_BELOW}
ADVISOR_MODES = {
    "off": evaluations_pb2.ADVISOR_MODE_OFF,
    "advise": evaluations_pb2.ADVISOR_MODE_ADVISE,
    "act": evaluations_pb2.ADVISOR_MODE_ACT,
}
ALERT_KINDS = {
    "price_target": monitor_events.ALERT_KIND_PRICE_TARGET,
    "profit_amount": monitor_events.ALERT_KIND_PROFIT_AMOUNT,
    "profit_percent": monitor_events.ALERT_KIND_PROFIT_PERCENT,
    "stop_moved": monitor_events.ALERT_KIND_STOP_MOVED,
    "position_closed": monitor_events.ALERT_KIND_POSITION_CLOSED,
    "liquidation_near": monitor_events.ALERT_KIND_LIQUIDATION_NEAR,
    "feed_stale": monitor_events.ALERT_KIND_FEED_STALE,
    "reconciliation_suspicious": monitor_events.ALERT_KIND_RECONCILIATION_SUSPICIOUS,
}
"""What a user may ask to be told of; the other kinds are told unasked."""


@cache
def exchange(value: types_pb2.Exchange.ValueType) -> str:
    return types_pb2.Exchange.Name(value).removeprefix("EXCHANGE_").lower()


def optional_exchange(name: str | None) -> types_pb2.Exchange.ValueType:
    return types_pb2.EXCHANGE_UNSPECIFIED if name is None else EXCHANGES[name]


@cache
def side(value: types_pb2.Side.ValueType) -> str:
    return types_pb2.Side.Name(value).removeprefix("SIDE_").lower()


@cache
def position_side(value: types_pb2.PositionSide.ValueType) -> str:
    return types_pb2.PositionSide.Name(value).removeprefix("POSITION_SIDE_").lower()


@cache
def status(value: types_pb2.PositionStatus.ValueType) -> str:
    return types_pb2.PositionStatus.Name(value).removeprefix("POSITION_STATUS_").lower()


@cache
def origin(value: types_pb2.Origin.ValueType) -> str:
    return types_pb2.Origin.Name(value).removeprefix("ORIGIN_").lower()


@cache
def exit_reason(value: types_pb2.ExitReason.ValueType) -> str:
    return types_pb2.ExitReason.Name(value).removeprefix("EXIT_REASON_").lower()


@cache
def data_source(value: live_pb2.DataSource.ValueType) -> str:
    return live_pb2.DataSource.Name(value).removeprefix("DATA_SOURCE_").lower()


@cache
def risk_level(value: live_pb2.RiskLevel.ValueType) -> str | None:
    return live_pb2.RiskLevel.Name(value).removeprefix("RISK_LEVEL_").lower() if value else None


@cache
def run_result(value: reconciler_pb2.RunResult.ValueType) -> str:
    return reconciler_pb2.RunResult.Name(value).removeprefix("RUN_RESULT_").lower()


@cache
def author(value: types_pb2.Author.ValueType) -> str | None:
    return types_pb2.Author.Name(value).removeprefix("AUTHOR_").lower() if value else None


@cache
def urgency(value: types_pb2.Urgency.ValueType) -> str:
    return types_pb2.Urgency.Name(value).removeprefix("URGENCY_").lower()


@cache
def alert_kind(value: monitor_events.AlertKind.ValueType) -> str:
    return monitor_events.AlertKind.Name(value).removeprefix("ALERT_KIND_").lower()


@cache
def known_exchange(value: types_pb2.Exchange.ValueType) -> str | None:
    """As `exchange`; None where it is about no exchange."""
    return exchange(value) if value else None


@cache
def trigger_price(value: types_pb2.TriggerPrice.ValueType) -> str:
    """What triggers levels: mark, unless the account says last."""
    return "last" if value == types_pb2.TRIGGER_PRICE_LAST else "mark"


@cache
def direction(value: alerts_pb2.AlertDirection.ValueType) -> str | None:
    return alerts_pb2.AlertDirection.Name(value).removeprefix("ALERT_DIRECTION_").lower() if value else None


@cache
def delivery_state(value: alerts_pb2.DeliveryState.ValueType) -> str:
    return alerts_pb2.DeliveryState.Name(value).removeprefix("DELIVERY_STATE_").lower()


@cache
def execution_state(value: flows_pb2.ExecutionState.ValueType) -> str:
    return flows_pb2.ExecutionState.Name(value).removeprefix("EXECUTION_STATE_").lower()


@cache
def execution_step(value: flows_pb2.ExecutionStep.ValueType) -> str:
    return flows_pb2.ExecutionStep.Name(value).removeprefix("EXECUTION_STEP_").lower()


@cache
def advice_action(value: evaluations_pb2.AdviceAction.ValueType) -> str:
    return evaluations_pb2.AdviceAction.Name(value).removeprefix("ADVICE_ACTION_").lower()


@cache
def advice_outcome(value: evaluations_pb2.AdviceOutcome.ValueType) -> str:
    return evaluations_pb2.AdviceOutcome.Name(value).removeprefix("ADVICE_OUTCOME_").lower()


@cache
def advisor_mode(value: evaluations_pb2.AdvisorMode.ValueType) -> str:
    return evaluations_pb2.AdvisorMode.Name(value).removeprefix("ADVISOR_MODE_").lower()


@cache
def order_side(value: types_pb2.OrderSide.ValueType) -> str:
    return types_pb2.OrderSide.Name(value).removeprefix("ORDER_SIDE_").lower()


@cache
def transaction_status(value: positions_pb2.TransactionStatus.ValueType) -> str:
    return positions_pb2.TransactionStatus.Name(value).removeprefix("TRANSACTION_STATUS_").lower()


@lru_cache(maxsize=1024)
def flat(word: str) -> str:
    """A word of the document routes as the flat routes say it."""
    return word.upper()
