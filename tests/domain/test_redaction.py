"""No secret is left in a text: not by value, not encoded, not by its looks."""

from __future__ import annotations

import base64
import time
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.redaction import MASK, SHORTEST, redact

_SECRETS = st.lists(st.text(min_size=SHORTEST, max_size=20).filter(lambda s: len(s.strip()) >= SHORTEST), max_size=4)


@given(st.lists(st.text(max_size=10), min_size=1, max_size=5), _SECRETS)
def test_no_known_secret_is_left(parts: list[str], secrets: list[str]) -> None:
    text = "".join(part + secret for part, secret in zip(parts, [*secrets, *[""] * 5], strict=False))
    assert not [secret for secret in secrets if secret in redact(text, secrets)]


@given(st.text(alphabet="ab*", max_size=40), st.lists(st.text(alphabet="ab*", min_size=4, max_size=6), max_size=4))
def test_overlapping_secrets_and_masks_hide_each_other(text: str, secrets: list[str]) -> None:
    assert not [secret for secret in secrets if secret in redact(text, secrets)]


@given(st.text(max_size=80), _SECRETS)
def test_twice_is_the_same_as_once(text: str, secrets: list[str]) -> None:
    once = redact(text, secrets)
    assert redact(once, secrets) == once


def test_nothing_of_overlapping_secrets_is_left() -> None:
    assert redact("xabcdefx", ["abcd", "cdef"]) == f"x{MASK}x"


@pytest.mark.parametrize(
    "written",
    [
        "p@ss/w0rd &1",
        quote("p@ss/w0rd &1", safe=""),
        base64.b64encode(b"p@ss/w0rd &1").decode(),
        base64.urlsafe_b64encode(b"p@ss/w0rd &1").decode().rstrip("="),
        "p%40ss%2Fw0rd+%261",
    ],
)
def test_an_encoded_secret_is_found(written: str) -> None:
    assert redact(f"<{written}>", ["p@ss/w0rd &1"]).rstrip("=>") == f"<{MASK}"


def test_each_line_of_a_secret_is_one() -> None:
    assert redact("log: second-line-of-it", ["first-line-of-it\nsecond-line-of-it\n"]) == f"log: {MASK}"


# Made up; in parts, so that no scanner takes them for real ones.
@pytest.mark.parametrize(
    ("text", "hidden", "kept"),
    [
        ("postgresql://shop:hunter22@db/x", "hunter22", "postgresql://shop:"),
        ("https://:tok" + "en123@host/", "token123", "@host"),
        ("redis://:p:q@host", "p:q", "host"),
        ("Authorization: Bearer " + "abcdef.123456", "abcdef", "Authorization: Bearer"),
        ("authorization: basic " + "dXNlcjpwYXNz", "dXNlcjpw", "authorization"),
        ("key AKIA" + "ABCDEFGHIJKLMNOP.", "ABCDEFGHIJ", "key"),
        ("AWS_SECRET_ACCESS" + "_KEY=abc/def+ghi", "abc/def", "AWS_SECRET"),
        ("token ghp_" + "a" * 36, "a" * 36, "token"),
        ("xoxb-" + "1234567890-abc", "1234567890", ""),
        ("AIza" + "b" * 35, "b" * 35, ""),
        ("sk_live_" + "c" * 24, "c" * 24, ""),
        ("pypi-" + "d" * 30, "d" * 30, ""),
        ("eyJhbGciOiJI" + ".eyJzdWIiOiIx.c2lnbmF0dXJl", "eyJzdWIiOiIx", ""),
        ('{"db_pass' + 'word": "s3cr3t", "a": 1}', "s3cr3t", '"a": 1'),
        ("api_key: 12345678 and more", "12345678", "and more"),
        ("-----BEGIN RSA PRIVATE" + " KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nrest", "MIIE", "rest"),
        ("-----BEGIN PRIVATE" + " KEY-----\nMIIEcutoff", "MIIEcutoff", ""),
    ],
)
def test_what_looks_like_a_secret_is_hidden(text: str, hidden: str, kept: str) -> None:
    shown = redact(text)
    assert hidden not in shown
    assert MASK in shown
    assert kept in shown


@pytest.mark.parametrize(
    "text",
    [
        "tests/test_password.py::test_reset PASSED",
        "p95 812 ms > 500 ms over 14 min",
        "http://127.0.0.1:8000/healthz",
        "git@github.com:owner/repository.git",
        "sha256:0123456789abcdef",
        "the secret of a good test",
    ],
)
def test_ordinary_lines_stay_as_they_are(text: str) -> None:
    assert redact(text, ["", "a", "abc"]) == text


@pytest.mark.parametrize(
    "text", ["a:" * 50_000, "x://" * 25_000, "password" * 12_000, "-----BEGIN PRIVATE KEY-----" * 3000]
)
def test_no_text_takes_long(text: str) -> None:
    began = time.process_time()
    redact(text, ["hunter22"])
    assert time.process_time() - began < 2
