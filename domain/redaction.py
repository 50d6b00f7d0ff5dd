"""Takes secrets out of text before it is kept or shown: those we know by value, and those that look like one.

Knowing the value is the sure way; the patterns are a net below it, for what tools print of their own accord.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

MASK = "***"
# Shorter values would blot out ordinary words, and are no secrets. Longer than MASK, so that masking ends.
SHORTEST = 4

_WORD = r"[A-Za-z0-9_-]{0,40}"
_PATTERNS = (
    # A private key, cut off or whole.
    (re.compile(r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,30}PRIVATE KEY-----|\Z)", re.S), MASK),
    # scheme://user:<password>@host keeps the user.
    (re.compile(r"(\b[A-Za-z][A-Za-z0-9+.-]{0,30}://[^\s/:@\"'<>]{0,200}):[^\s/@\"'<>]{1,500}@"), rf"\1:{MASK}@"),
    (re.compile(r"(?i)\b(bearer|basic|token)(\s+)[A-Za-z0-9._~+/=-]{8,4000}"), rf"\1\2{MASK}"),
    (re.compile(r"\b(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{16}\b"), MASK),
    (
        re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{20,255}|github_pat_[A-Za-z0-9_]{20,255}|glpat-[A-Za-z0-9_-]{20,255})"),
        MASK,
    ),
    (re.compile(r"\bxox[abeoprs]-[A-Za-z0-9-]{10,255}"), MASK),
    (re.compile(r"\bAIza[A-Za-z0-9_-]{35}"), MASK),
    (re.compile(r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{10,255}"), MASK),
    (re.compile(r"\bpypi-[A-Za-z0-9_-]{16,1000}"), MASK),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,4000}\.[A-Za-z0-9_-]{4,4000}(?:\.[A-Za-z0-9_-]{0,4000})?"), MASK),
    # name=value and "name": "value".
    (
        re.compile(
            rf"(?i)(\b{_WORD}(?:password|passwd|secret|api[_-]?key|access[_-]?key|auth[_-]?token|private[_-]?key)"
            rf"{_WORD}[\"']?\s{{0,3}}[=:]\s{{0,3}}[\"']?)([^\s\"'&,;]{{1,1000}})"
        ),
        rf"\1{MASK}",
    ),
)


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without the secrets, also where they stand URL-, JSON- or base64-encoded, and without what looks like
    one. Of overlapping secrets nothing is left. Doing it twice changes nothing more."""
    forms = {form for secret in secrets for form in _forms(secret)}
    text = _without(text, forms)
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return _without(text, forms)


def _forms(secret: str) -> set[str]:
    """The ways in which a secret may be written. A longer line of a secret of several lines is one by itself."""
    raw = secret.encode("utf-8", "surrogatepass")
    encoded = base64.b64encode(raw).decode()
    found = {
        secret,
        secret.strip(),
        quote(raw, safe=""),
        quote_plus(raw),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        encoded,
        encoded.rstrip("="),
        base64.urlsafe_b64encode(raw).decode().rstrip("="),
        *(line.strip() for line in secret.splitlines() if len(line.strip()) >= 8),
    }
    return {form for form in found if len(form) >= SHORTEST} if len(secret.strip()) >= SHORTEST else set()


def _without(text: str, forms: set[str]) -> str:
    # A mask and what is beside it may read as a secret again: look until none is left. Each round is shorter.
    while spans := _merged(sorted(_spans(text, forms))):
        parts, last = [], 0
        for begin, end in spans:
            parts += [text[last:begin], MASK]
            last = end
        text = "".join([*parts, text[last:]])
    return text


def _spans(text: str, forms: set[str]) -> Iterable[tuple[int, int]]:
    for form in forms:
        at = text.find(form)
        while at >= 0:
            yield at, at + len(form)
            at = text.find(form, at + 1)


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for begin, end in spans:
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return merged
