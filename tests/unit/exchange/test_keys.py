"""A key's report, whatever shape the venue gives it: what cannot be read is never a key that cannot withdraw."""

from typing import Any

import pytest

from services.common.exchange.binance.keys import parse_key as parse_binance_key
from services.common.exchange.bybit.keys import parse_key as parse_bybit_key

BINANCE: dict[str, Any] = {
    "enableReading": True, "enableFutures": True, "enableWithdrawals": False, "ipRestrict": True,
}  # fmt: skip
BYBIT: dict[str, Any] = {
    "userID": 7, "readOnly": 0, "ips": ["*"],
    "permissions": {"ContractTrade": ["Order", "Position"], "Wallet": ["AccountTransfer"], "Derivatives": []},
}  # fmt: skip


def with_permissions(**changes: Any) -> dict[str, Any]:
    permissions = {**BYBIT["permissions"], **changes}
    return {**BYBIT, "permissions": {name: value for name, value in permissions.items() if value is not ...}}


def test_plain_reports_are_read() -> None:
    binance, bybit = parse_binance_key(BINANCE, "1"), parse_bybit_key(BYBIT)
    assert (binance.can_trade, binance.can_withdraw, binance.ip_restricted) == (True, False, True)
    assert (bybit.can_trade, bybit.can_withdraw, bybit.ip_restricted) == (True, False, False)


@pytest.mark.parametrize("value", [..., None, "true", "false", 1, 0, [], {}])
def test_a_binance_key_that_does_not_say_whether_it_can_withdraw_is_not_judged(value: Any) -> None:
    report = {name: one for name, one in {**BINANCE, "enableWithdrawals": value}.items() if one is not ...}
    with pytest.raises(ValueError, match="enableWithdrawals"):
        parse_binance_key(report, "1")


@pytest.mark.parametrize("wallet", [..., None, "Withdraw", {"Withdraw": True}, 1])
def test_a_bybit_key_whose_permissions_have_another_shape_is_not_judged(wallet: Any) -> None:
    with pytest.raises(ValueError, match="Wallet"):
        parse_bybit_key(with_permissions(Wallet=wallet))


@pytest.mark.parametrize("read_only", [..., None, "", "2", "no", False, True])
def test_a_bybit_key_that_does_not_say_whether_it_only_reads_is_not_judged(read_only: Any) -> None:
    # Taken for one that only reads, it passed for one that cannot withdraw.
    report = {name: one for name, one in {**BYBIT, "readOnly": read_only}.items() if one is not ...}
    with pytest.raises(ValueError, match="readOnly"):
        parse_bybit_key(report)


@pytest.mark.parametrize("changes", [{"Wallet": ["Withdraw"]}, {"Wallet": ["WithdrawV2"]}, {"Asset": ["withdrawal"]}])
def test_whatever_withdraws_by_its_name_can_withdraw(changes: dict[str, Any]) -> None:
    assert parse_bybit_key(with_permissions(**changes)).can_withdraw


def test_an_address_among_others_that_means_all_restricts_nothing() -> None:
    assert not parse_bybit_key({**BYBIT, "ips": ["1.2.3.4", "*"]}).ip_restricted
