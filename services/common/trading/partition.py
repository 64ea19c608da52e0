"""Accounts are spread over a fixed number of partitions, which the monitor's replicas hold by lease."""

from zlib import crc32

PARTITIONS = 64


def partition_of(account_id: str) -> int:
    """The partition of an account: the same in every process and every release."""
    return crc32(account_id.encode()) % PARTITIONS
