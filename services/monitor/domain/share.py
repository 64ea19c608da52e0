"""How partitions are spread over replicas."""

from collections.abc import Iterable


def fair_share(partitions: int, owner: str, owners: Iterable[str]) -> int:
    """How many of the partitions this replica should hold: all are held, and no two replicas differ by more than one.

    `owners` are the replicas that are alive; this one counts whether or not it is among them.
    """
    ordered = sorted({*owners, owner})
    whole, rest = divmod(partitions, len(ordered))
    return whole + (1 if ordered.index(owner) < rest else 0)
