"""Where there is no way back, beside a model: the migrations that were really applied."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from domain import freeze, history
from domain.history import History
from domain.place import Release, Target
from domain.spec import Migrations
from domain.supply import Artifact

NAMES = ("0010_split", "0042_drop_email", "0050_encrypt")


def release(version: str, mark: str | None = None) -> Release:
    return Release(
        service="shop",
        version=version,
        artifact=Artifact(kind="bundle", digest=version, location=""),
        migrations=Migrations(command=("migrate",), irreversible=mark),
    )


def of(*releases: Release) -> History:
    pages: History = ()
    for number, one in enumerate(releases):
        pages = history.promoted(pages, one, float(number))
    return pages


@st.composite
def lives(draw: st.DrawFn) -> tuple[list[Release], History]:
    """Releases in the order they were made, each knowing the newest migration so far or saying nothing of any, and a
    history in which some of them came back later."""
    steps = sorted(draw(st.lists(st.integers(0, len(NAMES)), min_size=1, max_size=12)))
    silent = draw(st.sets(st.integers(0, 11)))
    made = [release(f"v{n}", NAMES[step - 1] if step and (n not in silent) else None) for n, step in enumerate(steps)]
    pages = of(*made)
    for number, back in enumerate(draw(st.lists(st.sampled_from(made), max_size=4))):
        if freeze.barrier(pages, back) is None:
            pages = history.promoted(pages, back, 100.0 + number)
    return made, pages


@given(lives())
def test_the_way_is_barred_exactly_by_a_younger_release_with_a_migration_that_was_not_known_yet(
    life: tuple[list[Release], History],
) -> None:
    made, pages = life
    marks = [freeze.mark(one) for one in made]
    for number, wanted in enumerate(made):
        younger = {mark for mark in marks[number + 1 :] if mark} - set(marks[: number + 1])
        found = freeze.barrier(pages, wanted)
        assert (found is not None) == bool(younger)
        if found is not None:
            assert found.migration in younger
            brought = made[marks.index(found.migration)]
            assert found.version == brought.version, "the first that knows it brought it"


@given(lives())
def test_the_newest_release_can_always_come_back(life: tuple[list[Release], History]) -> None:
    made, pages = life
    assert freeze.barrier(pages, made[-1]) is None


@given(lives())
def test_a_release_brings_only_what_none_before_it_knew(life: tuple[list[Release], History]) -> None:
    made, _ = life
    for number, one in enumerate(made):
        known = {freeze.mark(other) for other in made[:number]}
        assert freeze.brings(of(*made[:number]), one) == (
            freeze.mark(one) if freeze.mark(one) and freeze.mark(one) not in known else ""
        )


def test_releases_that_know_the_same_migration_go_back_to_each_other() -> None:
    pages = of(release("v1"), release("v2", "0042"), release("v3", "0042"))
    assert freeze.barrier(pages, release("v2", "0042")) is None
    assert str(freeze.barrier(pages, release("v1"))) == "migration 0042 of v2 cannot be undone"


def test_a_later_release_that_forgot_to_name_it_opens_no_way() -> None:
    pages = of(release("v1"), release("v2", "0042"), release("v3"))
    assert freeze.barrier(pages, release("v1")) and not freeze.barrier(pages, release("v2", "0042"))


def test_going_forward_again_is_open() -> None:
    back = history.promoted(of(release("v1", "0042"), release("v2", "0042")), release("v1", "0042"), 5.0)
    assert freeze.barrier(back, release("v2", "0042")) is None


def test_what_is_stable_counts_though_its_promotion_was_not_noted() -> None:
    assert freeze.barrier(of(release("v1")), release("v1"), release("v2", "0042")) is not None


def test_the_freeze_is_told_in_a_sentence_and_its_absence_is_silence() -> None:
    pages = of(release("v1"), release("v2", "0042"))
    assert freeze.told(pages, None) == "frozen: migration 0042 of v2 cannot be undone, and nothing older comes back"
    assert freeze.told(of(release("v1"), release("v2")), None) == freeze.told((), None) == ""


def test_the_refusal_names_the_migration_and_what_to_do() -> None:
    found = freeze.barrier(of(release("v1"), release("v2", "0042")), release("v1"))
    assert found is not None
    said = str(freeze.refusal(Target(service="shop", environment="production"), "v1", found))
    assert "0042" in said and "v1 cannot come back" in said and "fix: go forward" in said
