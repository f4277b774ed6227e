"""Keeping key values out of everything that is stored, shown or sent.

A key is found also where it stands in capitals, backwards, in base64 or hexadecimal, as escapes of URLs, JSON, HTML or
C, with signs in it that nobody sees, or cut. Texts are reduced to what is compared, and only where a key is in there
the way back to the text's own characters is taken.
"""

import base64
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from agentbatch.patterns import regex

MIN_SECRET = 8
"""Characters. A shorter key is a placeholder for a server without keys ("none", "x"): removing it would
eat ordinary words."""

MASK = "[redacted]"

MIN_STRETCH = 12
"""Characters. A longer key is looked for by stretches of a third of it, at least so long: twice as much of it in one
piece gives it away, and goes too where a limit has cut the rest."""

ESCAPES = 8
"""The most characters that stand for one of a key: `\u0041`, `&#x0041;`."""

_UNSEEN = "\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff"
_SEQUENCE = r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]{0,500}(?:\x07|\x1b\\))"
_COLOUR = r"\\{1,9}(?:u001[bB]|x1[bB]|0?33|e)\[[0-?]*[ -/]*[@-~]"
"""A sequence of the terminal as it is written in JSON or in a program."""
_OCTAL = r"\\{1,9}(?:[01][0-7]{2}|[4-7][0-7])"
_OCTAL_STARTS = tuple(b"\\" + digit for digit in (b"0", b"1", b"4", b"5", b"6", b"7"))
_CODES = (
    r"%[0-9A-Fa-f]{2}",
    r"\\{1,9}u[0-9A-Fa-f]{4}",
    r"\\{1,9}x[0-9A-Fa-f]{2}",
    r"&#[xX]?0*[0-9A-Fa-f]{2,3};",
    _OCTAL,
)
"""Escapes that name a character by its number. Keys have none but those of ASCII; others may stand for nothing seen."""
_SHORT = r"\\[nrtbf\"'\\/]|&(?:amp|quot|lt|gt|apos);"
_SIGN = regex(f"[{_UNSEEN}]")
_PLAIN = regex(f"{_SEQUENCE}|.", re.DOTALL)
_WRITTEN = regex("|".join((_SEQUENCE, _COLOUR, *_CODES, r"\\{2,9}[nrtbf]", _SHORT, ".")), re.DOTALL)
_SHORT_MEANS = {
    "\\\\": "\\", '\\"': '"', "\\'": "'", "\\/": "/", "&amp;": "&", "&quot;": '"', "&lt;": "<", "&gt;": ">",
    "&apos;": "'",
}  # fmt: skip
"""Of the others nothing can be seen."""

# What is looked at first, in bytes: ten times faster than the same in text.
_SMALL = bytes(range(256)).lower()
_CONTROLS = bytes((*range(0x20), 0x7F))
_SEQUENCES = regex(_SEQUENCE.encode())
_SIGNS = [
    (start, regex(re.escape(start) + rest))
    for start, rest in (
        (b"\xc2", rb"[\x80-\x9f\xad]"),
        (b"\xe2\x80", rb"[\x8b-\x8f\xa8-\xae]"),
        (b"\xe2\x81", rb"[\xa0-\xaf]"),
        (b"\xef\xb8", rb"[\x80-\x8f]"),
        (b"\xef\xbb\xbf", b""),
        (b"\xd8\x9c", b""),
        (b"\xe1\xa0\x8e", b""),
    )
]
"""_UNSEEN in UTF-8."""
_CODED = [
    (starts, regex(code.encode()))
    for starts, code in zip(((b"%",), (b"\\u",), (b"\\x",), (b"&#",), _OCTAL_STARTS), _CODES, strict=True)
]
_COLOURS = regex(_COLOUR.encode())
_CODE_STARTS = regex(rb"\\[ux014567]")
"""What all of them begin with but those that begin with another sign."""
_NESTED = [b"\\" * depth + letter for depth in (8, 4, 2) for letter in (b"n", b"r", b"t", b"b", b"f")]
"""What cannot be seen in JSON within JSON, as the arguments of a call in a message; the deepest first."""
_ODD = frozenset("\\%&")
_SWALLOWED = tuple("nrtbfux")
"""A key that begins so may stand behind a backslash that is none of an escape's."""


class _Secret(NamedTuple):
    """One form of a key as it is compared."""

    text: str
    least: int
    """Characters of it that count."""
    marks: tuple[str, ...]
    """Stretches of it, one of which is in each part of that length; or all of it."""


class Redactor:
    """Replaces the configured key values in text. Built once a run from the settings' secrets."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._given = tuple(secrets)
        keys = sorted({s for s in self._given if len(s) >= MIN_SECRET}, key=len, reverse=True)
        # As it is, and as JSON has it: by its letters alone, where some of its signs may be taken for escapes.
        exact = dict.fromkeys(form for key in keys for form in (key, json.dumps(key)[1:-1]))
        self._odd = [form for form in exact if _ODD.intersection(form)]
        self._forms = [form for key in keys for form in _forms(key)]
        self._marks = [mark.encode() for form in self._forms for mark in form.marks]
        self._both = any(key.lower().startswith(_SWALLOWED) for key in keys)

    def add(self, secret: str) -> None:
        """One more, learnt while running: a key that a command has printed."""
        if secret not in self._given:
            self.__dict__.update(Redactor([*self._given, secret]).__dict__)

    @property
    def longest(self) -> int:
        """Bytes of the longest secret in its longest form; 0 when there is none."""
        return max((ESCAPES * len(form.text.encode()) for form in self._forms), default=0)

    def mask_bytes(self, data: bytes) -> bytes:
        if not self._is_in(data):
            return data
        return self(data.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")

    def __call__(self, text: str) -> str:
        if not self._is_in(text.encode("utf-8", "surrogatepass")):
            return text
        for form in self._odd:
            text = text.replace(form, MASK)
        for characters in (_PLAIN, _WRITTEN):
            text = self._masked(text, characters)
        return text

    def each(self, texts: Sequence[str]) -> list[str]:
        """Several, looked at as one: nearly always there is no key in any of them."""
        # A blank ends whatever a text ends in but the sequence of a terminal.
        whole = " ".join(texts)
        if "\x1b" not in whole and not self._is_in(whole.encode("utf-8", "surrogatepass")):
            return list(texts)
        return [self(text) for text in texts]

    def _is_in(self, data: bytes) -> bool:
        """Whether there may be a key in it."""
        if not self._marks or any(form.encode("utf-8", "surrogatepass") in data for form in self._odd):
            return bool(self._marks)
        if b"\x1b" in data:
            data = _SEQUENCES.sub(b"", data)
        small = data.translate(_SMALL, _CONTROLS)
        if not data.isascii():
            for start, sign in _SIGNS:
                small = sign.sub(b"", small) if start in small else small
        read = _read(small)
        texts = (small,) if read is small else (read, small) if self._both else (read,)
        return any(mark in text for text in texts for mark in self._marks)

    def _masked(self, text: str, characters: "re.Pattern[str]") -> str:
        letters, places = [], []
        for found in characters.finditer(text):
            for letter in _meaning(found[0]).lower():
                letters.append(letter)
                places.append(found.span())
        reduced = "".join(letters)
        spans = sorted(
            (places[start][0], places[end - 1][1])
            for form in self._forms
            for start, end in _found(form, reduced)
        )
        parts, at = [], 0
        for start, end in spans:
            start -= _half_escape(text, start)
            if start >= at:
                parts += [text[at:start], MASK]
            at = max(at, end)
        return "".join([*parts, text[at:]])


def _half_escape(text: str, start: int) -> int:
    """1 where a single backslash stands before it: of an escape whose letter has been taken for the key's. No half of
    one may stay in JSON."""
    first = start
    while first and text[first - 1] == "\\":
        first -= 1
    return (start - first) % 2


def redact_strings(value: Any, redact: Callable[[str], str]) -> Any:
    """A JSON value with every string masked, names too: before it is written and cut, since in its written form some
    signs are others."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {redact(name): redact_strings(inner, redact) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [redact_strings(inner, redact) for inner in value]
    return value


def _read(small: bytes) -> bytes:
    """With escapes as what they stand for; the same where there are none."""
    read = small
    if b"\\" in read and any(start in read for start in (b"1b[", b"33[", b"\\e[")):
        read = _COLOURS.sub(b"", read)
    if b"%" in read or b"&" in read or _CODE_STARTS.search(read):  # one look where there is nothing to find
        for starts, code in _CODED:
            if any(start in read for start in starts):
                read = code.sub(_byte, read)
    if b"\\" in read:
        for unseen in _NESTED if b"\\\\" in read else ():
            read = read.replace(unseen, b"")
        read = read.replace(b"\\\\", b"\0")
        for short in (b"\\n", b"\\t", b"\\r", b"\\b", b"\\f"):
            read = read.replace(short, b"")
    return read


def _meaning(written: str) -> str:
    """What a character or an escape stands for; empty: nothing that can be seen."""
    if len(written) == 1:
        return "" if _SIGN.match(written) else written
    if written in _SHORT_MEANS:
        return _SHORT_MEANS[written]
    number = _number(written)
    return "" if number is None or _SIGN.match(chr(number)) else chr(number)


def _number(written: str) -> int | None:
    """Of the character that an escape names."""
    if written[0] == "\\":  # several where it stands in JSON within JSON
        written = "\\" + written.lstrip("\\")
    kind, digits = written[:2].lower(), written[2:].rstrip(";")
    if kind[0] == "%":
        return int(written[1:], 16)
    if kind == "&#":
        return int(digits[1:], 16) if digits[0] in "xX" else int(digits) if digits.isdecimal() else None
    if kind[1] in "014567":
        return int(written[1:], 8) if written[1:].isdecimal() else None
    return int(digits, 16) if kind in ("\\u", "\\x") and "[" not in digits else None


def _byte(found: "re.Match[bytes]") -> bytes:
    return _meaning(found[0].decode()).lower().encode("utf-8", "surrogatepass")


def _forms(key: str) -> list[_Secret]:
    plain, raw = _SIGN.sub("", key).lower(), key.encode("utf-8", "surrogateescape")
    whole = {plain[::-1], raw.hex()}
    for before in range(3):  # where it begins in a group of three bytes
        text = base64.b64encode(b"\0" * before + raw).decode().rstrip("=")
        text = text[(0, 2, 3)[before] : len(text) - bool((before + len(raw)) % 3)].lower()
        whole |= {text, text.replace("+", "-").replace("/", "_")}
    step = max(MIN_STRETCH, len(plain) // 3)
    step = step if len(plain) > 2 * step else len(plain)
    marks = tuple(plain[at : at + step] for at in range(0, len(plain) - step + 1, step))
    first = _Secret(plain, min(len(plain), 2 * step), marks)
    return [first, *(_Secret(text, len(text), (text,)) for text in sorted(whole - {plain}))]


def _found(form: _Secret, reduced: str) -> Iterator[tuple[int, int]]:
    """Where it stands, or enough of it."""
    for number, mark in enumerate(form.marks):
        offset = number * len(mark)
        at = reduced.find(mark)
        while at >= 0:
            before = _alike(form.text[:offset][::-1], reduced[max(0, at - offset) : at][::-1])
            after = _alike(form.text[offset:], reduced[at : at + len(form.text)])
            if before + after >= form.least:
                yield at - before, at + after
            at = reduced.find(mark, at + max(1, after))


def _alike(one: str, other: str) -> int:
    """Characters that both begin with."""
    length = min(len(one), len(other))
    return next((place for place in range(length) if one[place] != other[place]), length)


_SECRET_NAMES = regex(
    r"key|token|secret|passw|pwd|auth|sig(?:nature)?$|^code$|credential|session", re.IGNORECASE
)


def secrets_in(url: str) -> list[str]:
    """What of an address is nobody's business: user, password, and what its query gives as a key."""
    try:
        parts = urlsplit(url)
        found = [part for part in (parts.username, parts.password) if part]
    except ValueError:
        return []
    for pair in re.split("[&;]", f"{parts.query}&{parts.fragment}"):
        name, _, value = pair.partition("=")
        if value and _SECRET_NAMES.search(unquote(name)):
            found.append(value)
    return list(dict.fromkeys(form for part in found for form in (part, unquote(part))))


def shown_url(url: str) -> str:
    """An address as it may be stored and shown: without user and password, and with MASK for keys in its query."""
    scheme, slashes, rest = url.partition("://")
    if not slashes:
        scheme, rest = "", url
    place = re.match(r"[^/?#]*", rest)
    netloc = place[0] if place else ""
    if "@" in netloc:
        rest = f"{MASK}@{netloc.rpartition('@')[2]}{rest[len(netloc) :]}"
    return f"{scheme}{slashes}{_QUERY.sub(_masked_pair, rest)}"


_QUERY = regex(r"([?&#;])([^=&#;?]+)=([^&#;\s]+)")


def _masked_pair(found: "re.Match[str]") -> str:
    value = MASK if _SECRET_NAMES.search(unquote(found[2])) else found[3]
    return f"{found[1]}{found[2]}={value}"
