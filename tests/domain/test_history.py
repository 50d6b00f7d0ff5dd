"""What a rollback goes back to, after releases, rollbacks, and rollbacks of those."""

from __future__ import annotations

from domain import history
from domain.history import History
from domain.place import Release
from domain.supply import Artifact


def release(version: str) -> Release:
    return Release(service="shop", version=version, artifact=Artifact(kind="bundle", digest=version, location=""))


def of(*versions: str) -> History:
    """The history after these were promoted, in this order."""
    pages: History = ()
    for number, version in enumerate(versions):
        pages = history.promoted(pages, release(version), float(number))
    return pages


def test_the_newest_other_release_is_the_one_to_go_back_to() -> None:
    found = history.previous(of("v1.aaaaaa", "v2.bbbbbb"), "v2.bbbbbb")
    assert found is not None and found.version == "v1.aaaaaa"


def test_nobody_goes_back_to_what_was_rolled_back() -> None:
    pages = history.left(of("v1.aaaaaa", "v2.bbbbbb", "v3.cccccc"), "v2.bbbbbb")
    found = history.previous(pages, "v3.cccccc")
    assert found is not None and found.version == "v1.aaaaaa"


def test_a_release_promoted_again_is_no_longer_rolled_back() -> None:
    pages = history.left(of("v1.aaaaaa"), "v1.aaaaaa")
    assert history.is_left(pages, "v1.aaaaaa")
    assert not history.is_left(history.promoted(pages, release("v1.aaaaaa"), 9.0), "v1.aaaaaa")


def test_a_release_is_found_by_the_ref_it_was_made_of() -> None:
    found = history.find(of("feature-foo.aaaaaa"), "feature/foo")
    assert found is not None and history.find(of("v1.aaaaaa"), "v2") is None


def test_a_release_that_comes_back_is_as_old_as_it_was() -> None:
    pages = history.promoted(of("v1", "v2"), release("v1"), 9.0)
    assert [(entry.release.version, entry.promoted, entry.first) for entry in pages] == [("v1", 9.0, 0), ("v2", 1, 1)]


def test_a_page_of_before_releases_had_an_age_is_read() -> None:
    page = history.write(of("v1")).replace(',"born":0.0', "")
    assert "born" not in page and history.read(page)[0].first == 0


def test_what_an_environment_is_to_serve_is_the_newest_that_nobody_left() -> None:
    intended = history.intended(history.left(of("v1", "v2"), "v2"))
    assert intended is not None and intended.version == "v1"
    assert history.intended(history.left(of("v1"), "v1")) is None and history.intended(()) is None
