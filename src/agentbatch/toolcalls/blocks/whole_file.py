"""Whether a block of code that is not clearly labelled is a file, and which: small models answer a task with just
"```python ... ```", whatever the prompt says.

Writing a wrong file is worse than writing none, since the model is told when nothing was done. So only the form
decides, never the text around it: the language must match the name, and the block must look like a whole file.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from agentbatch.files import json_object
from agentbatch.model.reply import Message
from agentbatch.patterns import regex
from agentbatch.toolcalls.blocks.labels import (
    MAX_LABEL,
    SUFFIXES,
    begins_with_prompt,
    has_known_suffix,
    suffix_of,
)

MAX_TASK = 50_000
"""Characters of the task that are searched for file names."""

_NAMES = regex(r"(?:\w+://)?[\w./-]+")
_ELIDED = regex(r"\s*(?:#|//|/\*|--|<!--)\s*(?:\.\.\.|…)|(?:\.\.\.|…)\s*\Z")
_DIFF = regex(r"(?:@@ .{1,60} @@|diff --git |--- a/|\+\+\+ b/)")
_TRACE = regex(r"Traceback \(most recent call last\)|\s+File \".{1,300}\", line \d+")
_IMPORT = regex(r"\s*(?:#?include|import|from|require|require_relative|use|using|load|.{1,60}= require)\b")
_DEFINED = regex(
    r"(?:\s*\d+\t)?(?:export\s+(?:default\s+)?|pub(?:\([a-z]+\))?\s+|public\s+|static\s+|async\s+){0,4}"
    r"(?:def|class|function|fn|func|interface|struct|enum|trait|module)\s+(\w+)"
)


class ReplyContext(NamedTuple):
    """The conversation before the reply."""

    messages: Sequence[Message] = ()
    """The conversation so far, with native tool calls."""

    def file_for(self, language: str) -> str:
        """The file that the task asks for in this language: the only one with a matching suffix in the first user
        message; empty when there is none or more than one."""
        suffixes = SUFFIXES.get(language, ())
        task = next((m.get("content") for m in self.messages if m.get("role") == "user"), None)
        if not suffixes or not isinstance(task, str):
            return ""
        words = (word.rstrip(".").removeprefix("./") for word in _NAMES.findall(task[:MAX_TASK]))
        names = {w for w in words if len(w) <= MAX_LABEL and suffix_of(w) in suffixes and has_known_suffix(w)}
        return names.pop() if len(names) == 1 else ""

    def last_seen(self, path: str) -> str | None:
        """The file's content when the model last wrote or read it in this conversation; empty when it never came up,
        None when only commands mention it, so that the content is unknown."""
        results = {m.get("tool_call_id"): m.get("content") for m in self.messages if m.get("role") == "tool"}
        named = path.rpartition("/")[2]
        in_commands = False
        for name, call_id, arguments in _calls_backwards(self.messages):
            in_commands = in_commands or (name == "bash" and named in str(arguments.get("command", "")))
            if str(arguments.get("path", "")).removeprefix("./") != path.removeprefix("./"):
                continue
            if name == "write_file":
                return str(arguments.get("content", ""))
            if name == "read_file":
                return str(results.get(call_id) or "")
        return None if in_commands else ""


def can_be_file(body: Sequence[str], path: str, language: str) -> bool:
    """Whether a block that is labelled with `path` may be its content: not a diff, unless the file is one."""
    if language in ("diff", "patch"):
        return suffix_of(path) in (".diff", ".patch")
    first = first_text(body)
    return not _DIFF.match(first) or suffix_of(path) in (".diff", ".patch")


def is_whole(body: Sequence[str], path: str, language: str, context: ReplyContext) -> bool:
    """Whether the block can only be the whole file: in the file's language, not a session, error message or diff,
    nothing elided, not importing the file itself, and not a fragment of the file's content so far."""
    lines = [line for line in body if line.strip()]
    return (
        suffix_of(path) in SUFFIXES.get(language, ())
        and bool(lines)
        and not lines[0][:1].isspace()
        and can_be_file(body, path, language)
        and not begins_with_prompt(lines)
        and not any(line.startswith(">>> ") or _TRACE.match(line) or _ELIDED.match(line) for line in lines)
        and not uses_itself(lines, path)
        and (before := context.last_seen(path)) is not None
        and not is_fragment(body, before)
    )


def first_text(lines: Sequence[str]) -> str:
    """The first line that is not empty."""
    return next((line for line in lines if line.strip()), "")


def uses_itself(lines: Sequence[str], path: str) -> bool:
    """Whether the code imports the file: then it is an example of using it."""
    stem = path.rpartition("/")[2].rpartition(".")[0]
    word = re.compile(rf"\b{re.escape(stem)}\b")
    return any(_IMPORT.match(line) and word.search(line) for line in lines)


def is_fragment(body: Sequence[str], before: str) -> bool:
    """Whether the block omits something that the file defines at its top level."""
    return not _defined(before.split("\n")) <= _defined(body)


def _defined(lines: Sequence[str]) -> set[str]:
    return {found[1] for line in lines if (found := _DEFINED.match(line)) is not None}


def _calls_backwards(messages: Sequence[Message]) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    for message in reversed(messages):
        for call in reversed(message.get("tool_calls") or ()):
            function = call.get("function") or {}
            arguments = json_object(str(function.get("arguments") or "{}"))
            if arguments is not None:
                yield str(function.get("name", "")), call.get("id"), arguments
