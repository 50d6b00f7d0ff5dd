"""What is run again before a failure has a bound in time, and never lacks the failure itself."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tes_engine.company import LONGEST, Did, company

CASES = st.lists(st.floats(0, 100).map(lambda seconds: round(seconds, 2)), min_size=1, max_size=30)


def test_what_fits_is_left_as_it_is() -> None:
    did = [Did(0, "a", 60.0), Did(1, "b", 59.0), Did(1, "c", 1.0)]

    assert company(did, {"c"}) == did


def test_the_longest_go_first_and_the_failure_stays() -> None:
    did = [Did(0, "a", 50.0), Did(0, "b", 90.0), Did(1, "c", 10.0), Did(1, "bad", 100.0)]

    assert company(did, {"bad"}) == [did[2], did[3]]


@given(CASES, st.data())
def test_it_fits_or_only_the_wanted_are_left(seconds: list[float], data: st.DataObject) -> None:
    did = [Did(0, str(at), took) for at, took in enumerate(seconds)]
    wanted = data.draw(st.sets(st.sampled_from([one.case for one in did])))

    found = company(did, wanted)

    assert [one for one in did if one in found] == found, "in their order"
    assert wanted <= {one.case for one in found}
    rest = [one for one in found if one.case not in wanted]
    assert sum(one.seconds for one in found) <= LONGEST + 1e-6 or not rest
    left = [one.seconds for one in did if one not in found]
    assert not left or not rest or min(left) >= max(one.seconds for one in rest)
