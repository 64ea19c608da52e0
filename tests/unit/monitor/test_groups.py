"""The entries of a group through merges, against a sorted list."""

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from services.monitor.domain.triggers.armed import Armed, Entry, Group, root_of
from tests.unit.monitor.world import a_position

POSITION = a_position()
STEPS = ("push", "push", "push", "pop", "merge", "leave", "tidy")


def entry(distance: int, place: int, group: Group) -> Entry:
    armed = Armed(POSITION, place)
    armed.group = group
    group.members += 1
    return (distance / 100, place, armed)


@settings(deadline=None, max_examples=300)
@given(
    st.lists(
        st.tuples(st.sampled_from(STEPS), st.integers(0, 5), st.integers(0, 30)),
        max_size=120,
    )
)
def test_the_nearest_comes_out_first_whatever_was_merged(steps: list[tuple[str, int, int]]) -> None:
    roots = [Group(Decimal(number + 1), number + 1.0) for number in range(6)]
    known: dict[Group, list[Entry]] = {group: [] for group in roots}
    for place, (what, number, other) in enumerate(steps, start=1):
        group = roots[number]
        own = known[group]
        match what:
            case "push":
                new = entry(other, place, group)
                own.append(new)
                assert group.push(new) is (new is min(own))
            case "pop" if own:
                popped = group.pop()
                assert popped[0] == min(own)[0]
                own.remove(popped)
            case "merge" if roots[other % 6] is not group:
                taken = roots[other % 6]
                group.take_in(taken)
                own += known.pop(taken)
                roots = [group if one is taken else one for one in roots]
            case "leave" if own:
                gone = own.pop(other % len(own))
                gone[2].place = -1
                group.leftovers += 1
            case "tidy":
                group.tidy()
                assert group.leftovers == 0
        first = group.first()
        assert (first and first[0]) == (min(own)[0] if own else None)
        assert all(root_of(one[2]) is group for one in own)
    for group, own in known.items():
        while own:
            first = group.first()
            assert first is not None
            assert first[0] == min(own)[0]
            own.remove(group.pop())
        assert group.first() is None
