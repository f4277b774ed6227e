"""Lines with a meaning in a reply: a head of the text protocol (`FILE: a.py`), or the name of the file in the block
below. Weak models decorate both."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from agentbatch.patterns import regex
from agentbatch.toolcalls.blocks.fences import HEADS, HEREDOC, RESULT

MAX_LABEL = 500
"""Characters of a line that may name a file."""

SUFFIXES: Mapping[str, tuple[str, ...]] = {
    "python": (".py",), "py": (".py",), "python3": (".py",),
    "javascript": (".js", ".mjs", ".cjs"), "js": (".js", ".mjs", ".cjs"), "jsx": (".jsx", ".js"),
    "typescript": (".ts",), "ts": (".ts",), "tsx": (".tsx",),
    "java": (".java",), "kotlin": (".kt", ".kts"), "scala": (".scala",), "swift": (".swift",),
    "c": (".c", ".h"), "cpp": (".cpp", ".cc", ".hpp", ".h"), "c++": (".cpp", ".cc", ".hpp", ".h"),
    "csharp": (".cs",), "cs": (".cs",), "go": (".go",), "golang": (".go",), "rust": (".rs",), "rs": (".rs",),
    "ruby": (".rb",), "rb": (".rb",), "php": (".php",), "perl": (".pl", ".pm"), "lua": (".lua",),
    "r": (".r", ".R"), "haskell": (".hs",), "html": (".html", ".htm"), "css": (".css",), "scss": (".scss",),
    "sql": (".sql",),
}  # fmt: skip
"""Suffixes of files in each language."""

CODE = frozenset(suffix for suffixes in SUFFIXES.values() for suffix in suffixes)

_OTHERS = (
    ".bash .bat .cfg .conf .csv .env .gitignore .ini .ipynb .json .jsonl .lock .md .markdown .mdx .ps1 .rst .sh .svg"
    " .tex .toml .tsv .txt .vue .xml .yaml .yml .zsh"
)
KNOWN = CODE | frozenset(_OTHERS.split())
"""Suffixes that distinguish file names from other words with a dot."""

_DOTFILES = frozenset({".env", ".gitignore"})
_PRODUCTS = frozenset({"node.js", "next.js", "vue.js", "react.js", "express.js", "three.js", "d3.js"})
"""Names with a dot that are not files."""

_HEAD = regex(
    r"[\s#>*_\-`]*(?:\d{1,3}[.)][\s*_`]*)?"
    r"(?P<word>file ?name|file ?path|file|write|create|edit|read|run|done|finish)"
    r"(?P<gap>[\s*_`.!]*)(?P<colon>:?)(?P<rest>.*)\Z",
    re.IGNORECASE | re.DOTALL,
)
_WORDS: Mapping[str, str] = {
    "FILENAME": "FILE", "FILEPATH": "FILE", "WRITE": "FILE", "CREATE": "FILE", "FINISH": "DONE",
}  # fmt: skip
_SPLIT = regex(r"[\s`\"'*()<>,;|]+")
_SIMPLE = regex(r"[\w./@+-]+\Z")
_RANGE = regex(
    r"[\s,:(]{1,4}(?P<word>lines?\s+|offset\s*=\s*|L)?(?P<first>\d{1,7})(?:\s*(?:-|–|to)\s*L?(?P<last>\d{1,7}))?\)?\Z",
    re.IGNORECASE,
)
_COMMENT = regex(
    r"\s*(?:#|//|--|/\*|<!--|;|%)[\s#/*-]*(?:file(?: ?name| ?path)?:\s*)?"
    r"(?P<path>[\w.][\w.\-/]*)\s{0,9}(?:\*/|-->)?\s*\Z",
    re.IGNORECASE,
)
_PROMPT = regex(r"(?:[\w.-]{1,60}@[\w.-]{1,60}:[^\s$#]{0,200})?\$ ")


class Head(NamedTuple):
    """A line of the protocol."""

    word: str
    """FILE, EDIT, READ, RUN or DONE."""
    rest: str
    """The text after the colon."""


def head_of(line: str) -> Head | None:
    """The head in this line; None when it is prose.

    A head is in capitals and has a colon; the colon is optional where nothing else can be meant, the capitals where a
    file name follows.
    """
    found = _HEAD.match(line)
    if found is None:
        return None
    written, rest = found["word"], found["rest"].strip()
    in_capitals = written.isupper()
    word = written.upper().replace(" ", "")
    word = _WORDS.get(word, word)
    if not found["colon"]:
        return _without_colon(word, rest, in_capitals, bool(found["gap"]))
    rest = rest.lstrip("*").lstrip() if rest.startswith("*") else rest
    if in_capitals:
        return Head(word, rest)
    if word == "DONE":
        return Head(word, rest) if written[0].isupper() and not line[:1].isspace() else None
    if word == "RUN":
        return Head(word, rest) if written[0].isupper() and _is_quoted(rest) else None
    return Head(word, rest) if paths_of(rest) and has_known_suffix(paths_of(rest)[0]) else None


def is_plain_head(line: str) -> bool:
    """Whether it is a head inside a block, too, where a word after a comment sign is content."""
    return line.lstrip(" \t*_`").startswith(HEADS) and head_of(line) is not None


def path_of(text: str) -> str:
    """The path in the rest of a head, without decoration; empty when there is none."""
    text = text[:MAX_LABEL].strip().strip("*").strip()
    quoted = re.match(r"(`{1,3}|\"|')([^`\"']+)\1", text)
    if quoted is not None:
        return _checked(quoted[2].strip())
    path = re.split(r"\s(?:#|//|—|–|-)\s", text, maxsplit=1)[0]
    before, bracket, _ = path.partition("(")
    path = before.rstrip() if bracket and has_known_suffix(before.rstrip()) else path
    path = path.strip("`\"'<>").rstrip(":").strip("`\"'*").strip()
    words = path.split()
    if len(words) > 1 and (len(words) > 3 or not has_known_suffix(words[-1])):
        return ""
    return _checked(path)


def paths_of(text: str) -> list[str]:
    """The paths after READ: one, or several separated by commas, spaces or `and`."""
    parts = [part for part in _SPLIT.split(text[:MAX_LABEL].strip()) if part and part not in ("and", "&")]
    if len(parts) > 1 and all(
        _SIMPLE.match(part) and ("/" in part or has_known_suffix(part)) for part in parts
    ):
        return [path for path in map(_checked, parts) if path]
    path = path_of(text)
    return [path] if path else []


def reads_of(text: str) -> list[dict[str, Any]]:
    """The arguments of the read_file calls for a READ."""
    found = _RANGE.search(text[:MAX_LABEL])
    path = path_of(text[: found.start()]) if found is not None else ""
    if found is None or not path or not (found["word"] or has_known_suffix(path)):
        return [{"path": path} for path in paths_of(text)]
    first = int(found["first"])
    arguments: dict[str, Any] = {"path": path, "offset": first}
    if found["last"] is not None and int(found["last"]) >= first:
        arguments["limit"] = int(found["last"]) - first + 1
    return [arguments]


def label_of(line: str) -> tuple[str, bool] | None:
    """The file name in the line above a block, and whether the line contains nothing else: `### a.py`, `**a.py**:`;
    otherwise a heading, or a line that ends in a colon, with one file name: "Here is `a.py`:"."""
    text = line.strip()
    if len(text) > MAX_LABEL or "." not in text:
        return None
    names = {
        token for word in _SPLIT.split(text) if has_known_suffix(token := word.strip("#:!?[]{}").rstrip("."))
    }
    if len(names) != 1:
        return None
    (name,) = names
    bare = re.sub(r"\A[\s#>*-]*(?:\d{1,3}[.)]\s*)?", "", text).strip("*`: ")
    if bare == name:
        return name, True
    return (name, False) if text.startswith(("#", "**")) or text.rstrip("*").endswith(":") else None


def comment_path(line: str) -> str:
    """The file name in a block's first line, if that is a comment with nothing else in it."""
    found = _COMMENT.match(line) if len(line) <= MAX_LABEL else None
    return found["path"] if found is not None and has_known_suffix(found["path"]) else ""


def info_path(words: Sequence[str]) -> str:
    """The file name after a fence: `python app.py`, `python:app.py`, `python title="app.py"`, `app.py`."""
    for word in words:
        value = re.split(r"[=:]", word, maxsplit=1)[-1].strip("\"'`{}")
        if _SIMPLE.match(value) and has_known_suffix(value):
            return value
    return ""


def command_of(lines: Sequence[str]) -> str:
    """The command in a block: without surrounding empty lines, and without a transcript's prompts and output."""
    end = next((at for at, line in enumerate(lines) if RESULT.match(line)), len(lines))
    text = "\n".join(lines[:end]).strip("\n")
    return _typed(text.split("\n")) if _PROMPT.match(text) else text if text.strip() else ""


def begins_with_prompt(lines: Sequence[str]) -> bool:
    return any(_PROMPT.match(line) for line in lines[:3])


def has_known_suffix(path: str) -> bool:
    name = path.rpartition("/")[2]
    if "://" in path or not path.isprintable() or name.lower() in _PRODUCTS:
        return False
    stem, dot, suffix = name.rpartition(".")
    return (f"{dot}{suffix}" in KNOWN and bool(stem.strip("."))) or name in _DOTFILES


def suffix_of(path: str) -> str:
    return "." + path.rpartition(".")[2]


def _without_colon(word: str, rest: str, in_capitals: bool, apart: bool) -> Head | None:
    if not in_capitals:
        return None
    if word == "DONE":
        dashed = re.match(r"(?:-|–|—)\s+", rest)
        if dashed is not None:
            return Head(word, rest[dashed.end() :])
        return Head(word, "") if not rest.strip("*_`.!✅ ") else None
    paths = paths_of(rest) if apart and word != "RUN" else []
    return Head(word, rest) if paths and all(map(has_known_suffix, paths)) else None


def _is_quoted(text: str) -> bool:
    return len(text) > 2 and text[0] == text[-1] == "`" and "`" not in text[1:-1]


def _checked(path: str) -> str:
    return path if path and len(path) <= 400 and not re.search(r"[\x00-\x1f\x7f]", path) else ""


def _typed(lines: Sequence[str]) -> str:
    """What was typed at the prompts of a transcript, with continuation lines."""
    kept: list[str] = []
    continues, until = False, ""
    for line in lines:
        found = _PROMPT.match(line)
        if until or continues:
            typed = line.removeprefix("> ")
        elif found is not None:
            typed = line[found.end() :]
        else:
            continue
        kept.append(typed)
        if until:
            until = "" if typed.strip() == until else until
            continues = False
            continue
        opened = HEREDOC.search(typed)
        until = opened[2] if opened is not None else ""
        continues = typed.endswith("\\")
    return "\n".join(kept)
