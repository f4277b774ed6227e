"""aider offers its model no tools: it takes whole files out of what an answer lists. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from agentbatch.patterns import regex
from agentbatch.rehearsal.play import DONE, text_of
from agentbatch.rehearsal.script import Say, ScriptedCall, Step

ASKED = regex(r"\*file listing\*")
"""How it asks for them, in its first message."""

SAID = "These files, as I want them:"
"""Begins each such answer: in its history, all else that it makes an assistant's counts for nothing."""

FENCE = "```"


def takes_listings(messages: Sequence[Mapping[str, Any]]) -> bool:
    return bool(messages) and ASKED.search(text_of(messages[0])) is not None


def listings_given(messages: Sequence[Mapping[str, Any]]) -> int:
    """How many turns of it are in this history."""
    return sum(m.get("role") == "assistant" and text_of(m).lstrip().startswith(SAID) for m in messages)


def listed(steps: Sequence[Step], turn: int) -> Say:
    """What the coder says in this turn of the script: the files that it leaves changed, whole. Commands are not run."""
    files: dict[str, str] = {}
    for number, calls in enumerate(_turns(steps)):
        changed = [path for call in calls if (path := _apply(call, files))]
        if number == turn:
            listings = [
                f"{path}\n{FENCE}\n{files[path].rstrip()}\n{FENCE}" for path in dict.fromkeys(changed)
            ]
            return Say(content="\n\n".join([SAID, *listings]))
    return Say(content=DONE)


def _turns(steps: Sequence[Step]) -> Iterator[list[ScriptedCall]]:
    """The calls of each turn: up to `finish`, or an answer without calls."""
    calls: list[ScriptedCall] = []
    for step in steps:
        if not isinstance(step, Say) or step.times is not None:
            continue
        calls += step.calls
        if not step.calls or any(call.name == "finish" for call in step.calls):
            yield calls
            calls = []
    yield calls


def _apply(call: ScriptedCall, files: dict[str, str]) -> str:
    """The path of the file that it changes; empty: none that is known."""
    given = call.arguments if isinstance(call.arguments, dict) else {}
    path, old, new = (str(given.get(name, "")) for name in ("path", "old_string", "new_string"))
    if call.name == "write_file":
        files[path] = str(given.get("content", ""))
    elif call.name == "edit_file" and old and old in files.get(path, ""):
        files[path] = files[path].replace(old, new, -1 if given.get("replace_all") else 1)
    else:
        return ""
    return path
