"""Runs in the workspace, by `python3 -I -c`: which files are not sound in their own form.

Its arguments are three for each file: its form, its path in hexadecimal digits, and its text, deflated in base64, or
`-`: the file itself is read. It prints a line for each, in their order: `sound`, `unknown` (nothing here can tell),
`unread` (it would take too long), or `wrong`, the number of the line (0: unknown) and in hexadecimal digits what is
wrong.
Nothing of a file is executed. From Python 3.7 on, the standard library alone, PyYAML where it is there.

It runs after every turn: what takes long to import (typing and json are half of its time) is imported where a form
needs it, installed packages (`-S`) too.
"""

from __future__ import annotations

import os
import sys
import warnings

MAX_FILE = 2_000_000
MAX_SLOW = 200_000
"""Bytes: of a file, and of one in a form whose parser is slow."""
TOOL_TIMEOUT = 10
"""Seconds for bash or node on one file."""
MAX_WORDS = 200

MAX_TOML = 100_000
MAX_DOTS = 1000
"""Bytes of a TOML file, and dots in one line of it, that are read."""

UNKNOWN = False
UNREAD = "unread"


def main(arguments: list[str]) -> None:
    for form, path, text in zip(arguments[::3], arguments[1::3], arguments[2::3]):  # noqa: B905
        found = look(form, os.fsdecode(bytes.fromhex(path)), None if text == "-" else inflated(text))
        sys.stdout.write(told(found) + "\n")


def inflated(text: str) -> bytes:
    import binascii
    import zlib

    return zlib.decompress(binascii.a2b_base64(text))


def told(found: object) -> str:
    if isinstance(found, list):
        line, words = found
        return "wrong %d %s" % (line, words.encode("utf-8", "replace").hex())  # noqa: UP031
    return "sound" if found is None else "unread" if found == UNREAD else "unknown"


def look(form: str, path: str, text: bytes | None = None) -> object:
    """None, False, "unread", or [line, words]."""
    try:
        raw = read(path) if text is None else text
        return UNKNOWN if raw is None or len(raw) > MAX_FILE else LOOKS[form](raw, path)
    except (OSError, RecursionError, MemoryError, ImportError, LookupError):
        return UNKNOWN


def read(path: str) -> bytes | None:
    """None: not a file, or too large."""
    if os.path.islink(path) or not os.path.isfile(path) or os.path.getsize(path) > MAX_FILE:
        return None
    with open(path, "rb") as file:
        return file.read(MAX_FILE + 1)


def python(raw: bytes, path: str) -> object:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(raw, path, "exec", dont_inherit=True)
    except SyntaxError as error:
        return wrong(error.lineno, error.msg)
    except ValueError as error:  # NUL, or an encoding
        return wrong(0, error)
    return None


def as_json(raw: bytes, path: str) -> object:
    import json

    try:
        json.loads(raw, parse_int=len)  # a number of any length is right
    except json.JSONDecodeError as error:
        return None if is_json_lines(raw) else wrong(error.lineno, error.msg)
    except ValueError as error:  # bytes that are no text
        return wrong(0, error)
    return None


def is_json_lines(raw: bytes) -> bool:
    import json

    lines = [line for line in raw.splitlines() if line.strip()]
    try:
        return len(lines) > 1 and all(
            isinstance(json.loads(line, parse_int=len), (dict, list)) for line in lines
        )
    except ValueError:
        return False


def toml(raw: bytes, path: str) -> object:
    # Of a key with many dots every part is looked up anew.
    if len(raw) > MAX_TOML or any(line.count(b".") > MAX_DOTS for line in raw.split(b"\n")):
        return UNREAD
    import re
    import tomllib

    try:
        tomllib.loads(raw.decode("utf-8"))
    except ValueError as error:
        found = re.search(r"at line (\d+)", str(error))
        return wrong(int(found.group(1)) if found else 0, re.sub(r" \(at line .*", "", str(error)))
    return None


class DeclaresEntity(Exception):
    """What entities stand for may be without end, and is not looked at."""


def xml(raw: bytes, path: str) -> object:
    from xml.parsers import expat

    def declared(*_: object) -> None:
        raise DeclaresEntity

    parser = expat.ParserCreate()
    parser.EntityDeclHandler = declared
    try:
        parser.Parse(raw, True)
    except DeclaresEntity:
        return UNKNOWN
    except expat.ExpatError as error:
        return wrong(error.lineno, expat.ErrorString(error.code))
    return None


def yaml(raw: bytes, path: str) -> object:
    import site

    site.main()
    import yaml  # type: ignore[import-untyped,import-not-found,unused-ignore]

    if len(raw) > MAX_SLOW:
        return UNKNOWN
    try:
        for _ in yaml.parse(raw, Loader=yaml.SafeLoader):
            pass
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        return wrong(mark.line + 1 if mark else 0, getattr(error, "problem", None) or error)
    return None


def shell(raw: bytes, path: str) -> object:
    import re

    code, said = tool(["bash", "-n"], raw, ".sh")
    if code and b"extglob" in raw:  # It is switched on while the script runs.
        code, said = tool(["bash", "-O", "extglob", "-n"], raw, ".sh")
    found = re.search(r"line (\d+): (.*)", said)
    if code in (0, None) or found is None:
        return None if code == 0 else UNKNOWN
    return wrong(int(found.group(1)), found.group(2))


def javascript(raw: bytes, path: str) -> object:
    """A file that is no script may be a module; what is written for a compiler (JSX, decorators) is not looked at."""
    import re

    ending = os.path.splitext(path)[1]
    code, said = tool(["node", "--check"], raw, ending if ending in (".cjs", ".mjs") else ".cjs")
    if code not in (0, None) and ending == ".js":
        as_module = tool(["node", "--check"], raw, ".mjs")
        if as_module[0] == 0 or b"import" in raw or b"export" in raw:
            code, said = as_module
    found = re.search(r"^SyntaxError: (.*)", said, re.MULTILINE)
    if re.search(rb"""from\s+["'][^"'\n]{1,200}["']\s+(assert|with)\s*\{""", raw):
        return None if code == 0 else UNKNOWN  # Which of the two words is right, no two versions agree upon.
    if code in (0, None) or found is None:
        return None if code == 0 else UNKNOWN
    head = said.split("\n")
    place = re.search(r":(\d+)$", head[0])
    if "token '<'" in found.group(1) or (len(head) > 1 and head[1].lstrip().startswith("@")):
        return UNKNOWN
    return wrong(int(place.group(1)) if place else 0, found.group(1))


def tool(command: list[str], raw: bytes, ending: str) -> tuple[int | None, str]:
    """Exit code and what it said of the text, in a file of its own: neither its name nor what lies beside the real one
    (package.json) matter. None: it is not there, or took too long."""
    import subprocess
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "text" + ending)
        with open(path, "wb") as file:
            file.write(raw)
        try:
            done = subprocess.run(
                [*command, path],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=TOOL_TIMEOUT,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None, ""
    return done.returncode, done.stdout[:20_000].decode("utf-8", "replace")


def plain(raw: bytes, path: str) -> object:
    """UTF-16 and UTF-32 are text too, every second character of which has a NUL."""
    place = raw.find(b"\0")
    if place < 0 or raw[:2] in (b"\xff\xfe", b"\xfe\xff") or raw.count(b"\0") * 5 > len(raw):
        return None
    return wrong(raw.count(b"\n", 0, place) + 1, "there is a NUL character in this text")


def wrong(line: int | None, words: object) -> list[object]:
    return [line or 0, " ".join(str(words).split())[:MAX_WORDS]]


LOOKS = {
    "Python": python,
    "JSON": as_json,
    "TOML": toml,
    "XML": xml,
    "YAML": yaml,
    "shell": shell,
    "JavaScript": javascript,
    "text": plain,
}

if __name__ == "__main__":
    main(sys.argv[1:])
