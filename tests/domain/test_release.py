"""What a release may be called: versions become file names, addresses and image tags."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import SpecError
from domain.release import LONGEST, VERIFIED_S, compose, label, named
from domain.spec import EnvironmentSpec, ReleaseSpec, Spec, Verify
from domain.supply import Artifact, Source


@pytest.mark.parametrize("version", ["../../x", "a b", "", ".hidden", "a/b", "v1..2", "a\n", "é", "x" * 101, "-rf"])
def test_a_version_that_could_escape_or_mislead_is_refused(version: str) -> None:
    with pytest.raises(SpecError, match="cannot be a version"):
        named(version)


@pytest.mark.parametrize("version", ["v1.2.0", "2026-11-23_1", "1.0+build.5", None])
def test_an_ordinary_version_is_taken_as_it_is(version: str | None) -> None:
    assert named(version) == version


@pytest.mark.parametrize(
    ("ref", "wanted"),
    [("v1.2.0", "v1.2.0"), ("feature/foo", "feature-foo"), ("HEAD~1", "HEAD-1"), ("../../x", "x"), ("///", "")],
)
def test_a_ref_becomes_a_version(ref: str, wanted: str) -> None:
    assert label(ref) == wanted


@given(st.text())
def test_whatever_a_ref_is_called_it_becomes_a_version_or_nothing(ref: str) -> None:
    found = label(ref)
    assert len(found) <= LONGEST and (found == "" or re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]*", found))
    assert not found or named(found) == found


@given(st.floats(0, 7200), st.floats(0, 7200))
def test_the_old_release_stays_until_the_new_one_is_verified_however_short_warm_is(warm: float, bake: float) -> None:
    place = EnvironmentSpec(platform="memory", warm=warm, verify=Verify(bake=bake))
    source = Source(project="shop", root="/nowhere", digest="sha256:1")
    artifact = Artifact(kind="image", digest="sha256:1", location="shop:v1")
    kept = compose(Spec(release=ReleaseSpec(command=("true",))), place, source, artifact, None).warm
    assert kept > bake and kept >= warm and kept in (warm, bake + VERIFIED_S)
