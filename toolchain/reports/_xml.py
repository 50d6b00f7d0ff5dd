"""Feeds XML that nobody should trust to a target, block by block, in bounded memory.

Entities and document types are refused (a billion laughs, files read from elsewhere). What is no valid text (bytes of
another encoding, control characters, references to them) is replaced and told, because test runners write whatever the
tests print; it is no reason to lose a report.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol
from xml.parsers import expat

MAX_BYTES = 4 << 30
MAX_TOKEN = 16 << 20
"""Characters of one tag, comment or processing instruction: the parser must hold it whole."""
MAX_DEPTH = 500
_CHUNK = 1 << 16
_DECLARED = re.compile(rb"""\A\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9._:-]{1,40})["']""")
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
# XML 1.0 forbids them even as references; https://www.w3.org/TR/xml/#charsets
_CONTROLS = bytes(0x3F if byte < 32 and byte not in b"\t\n\r" else byte for byte in range(256))
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_REFERENCE = re.compile("&#(?:x([0-9a-fA-F]{1,8})|([0-9]{1,10}));")
_LONGEST_REFERENCE = 14
_REPLACEMENT = "\ufffd"


class Refused(Exception):
    """It holds what is never read."""


class Target(Protocol):
    """What is called for each tag. It asks for the text by `wants_text`, so that what nobody reads costs nothing."""

    wants_text: bool

    def start(self, tag: str, attributes: dict[str, str]) -> None: ...
    def end(self, tag: str) -> None: ...
    def data(self, text: str) -> None: ...


class Decoder:
    """Bytes to text that XML may hold. `replaced` tells whether something was not."""

    def __init__(self, first: bytes) -> None:
        """By its first block. LookupError when it claims an encoding that is none."""
        declared = _DECLARED.match(first)
        name = next((name for bom, name in _BOMS if first.startswith(bom)), "")
        name = name or (declared[1].decode() if declared else "utf-8")
        if not name.startswith("utf-16") and "<".encode(name) != b"<":
            raise LookupError(f"unknown encoding: {name}")
        self.plain = not name.startswith("utf-16")
        self.decoder = codecs.getincrementaldecoder(name)("strict")
        self.held = ""
        self.replaced = False

    def text(self, block: bytes, final: bool = False) -> str:
        if self.plain and (clean := block.translate(_CONTROLS)) != block:
            block, self.replaced = clean, True
        state = self.decoder.getstate()
        try:
            text = self.held + self.decoder.decode(block, final)
        except UnicodeDecodeError:
            self.replaced, self.decoder.errors = True, "replace"
            self.decoder.setstate(state)
            text = self.held + self.decoder.decode(block, final)
            self.decoder.errors = "strict"
        if not (self.plain and text.isascii()) and _FORBIDDEN.search(text):
            text, self.replaced = _FORBIDDEN.sub(_REPLACEMENT, text), True
        self.held = ""
        if not final and (at := text.rfind("&", -_LONGEST_REFERENCE)) >= 0 and ";" not in text[at:]:
            text, self.held = text[:at], text[at:]
        return _REFERENCE.sub(self._reference, text) if "&#" in text else text

    def _reference(self, found: re.Match[str]) -> str:
        number = int(found[1], 16) if found[1] else int(found[2])
        if number < 0x110000 and not _FORBIDDEN.match(chr(number)):
            return found[0]
        self.replaced = True
        return _REPLACEMENT


class Feed:
    """One file on its way to a target. `complete` once its root was closed and nothing came after it."""

    def __init__(self, path: Path, target: Target, max_bytes: int = MAX_BYTES) -> None:
        self.path, self.target, self.max_bytes = path, target, max_bytes
        self.complete = False
        self.problem = ""
        self.note = ""

    def blocks(self) -> Iterator[None]:
        """Yields after each block, when the target was told what was in it, and once more at the end. Never raises
        for what is in the file or for a file that is not there: `problem` tells."""
        size, fed, name = 0, 0, self.path.name
        parser = self._parser()
        decoder: Decoder | None = None
        try:
            with self.path.open("rb") as file:
                while block := file.read(_CHUNK):
                    decoder = decoder or Decoder(block)
                    size += len(block)
                    if size > self.max_bytes:
                        self.problem = f"the report {name} is larger than {self.max_bytes} bytes; the rest was not read"
                        return
                    text = decoder.text(block)
                    fed += len(text)
                    parser.Parse(text, False)
                    if fed - parser.CurrentByteIndex > MAX_TOKEN:
                        raise Refused("one tag is too long")
                    yield
            if decoder is not None:
                parser.Parse(decoder.text(b"", True), False)
            parser.Parse(b"", True)
            self.complete = True
        except FileNotFoundError:
            self.problem = f"there is no report {name}"
        except OSError as error:
            self.problem = f"the report {name} cannot be read: {error.strerror}"
        except expat.ExpatError as error:
            self.problem = f"the report {name} {'is empty' if size == 0 else f'is cut off or damaged ({error})'}"
        except Refused as error:
            self.problem = f"the report {name} is refused: {error}"
        except (ValueError, LookupError) as error:  # an encoding that it claims and that nobody knows
            self.problem = f"the report {name} cannot be decoded: {error}"
        if decoder is not None and decoder.replaced:
            self.note = f"the report {name} has characters that XML or its encoding forbids; they were replaced"
        yield

    def _parser(self) -> expat.XMLParserType:
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.buffer_size = 1 << 15
        target, depth, listening = self.target, 0, False

        def listen() -> None:
            nonlocal listening
            if target.wants_text is not listening:
                listening = target.wants_text
                parser.CharacterDataHandler = target.data if listening else None

        def start(tag: str, attributes: dict[str, str]) -> None:
            nonlocal depth
            depth += 1
            if depth > MAX_DEPTH:
                raise Refused(f"its elements are nested more than {MAX_DEPTH} deep")
            target.start(tag.rpartition(":")[2] if ":" in tag else tag, attributes)
            listen()

        def end(tag: str) -> None:
            nonlocal depth
            depth -= 1
            target.end(tag.rpartition(":")[2] if ":" in tag else tag)
            listen()

        def refuse(*_: object) -> int:
            raise Refused("it defines entities or a document type")

        parser.StartElementHandler, parser.EndElementHandler = start, end
        parser.StartDoctypeDeclHandler = refuse
        parser.EntityDeclHandler = parser.UnparsedEntityDeclHandler = refuse
        parser.ExternalEntityRefHandler = refuse
        return parser
