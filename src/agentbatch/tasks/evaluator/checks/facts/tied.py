"""Which examples can be run on the work: those whose function, or program, it has made. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agentbatch.tasks.evaluator.checks.facts.scripts import given, is_script
from agentbatch.tasks.evaluator.checks.facts.stated.commands import parts
from agentbatch.tasks.evaluator.checks.facts.stated.example import Example, StatedCall, StatedCommand
from agentbatch.tasks.evaluator.checks.tampering import is_test, named_in
from agentbatch.workspace.files.diff import changes
from agentbatch.workspace.workspace import Snapshot

_DEFINED = re.compile(r"^(?:async[ \t]+)?(?:def|class)[ \t]+([A-Za-z_]\w*)", re.MULTILINE)
_EXPORTS = re.compile(r"^(?:module\.)?exports\b|^export\s", re.MULTILINE)
_DEFINED_IN_SCRIPT = re.compile(
    r"^(?:export[ \t]+)?(?:default[ \t]+)?(?:async[ \t]+)?(?:function[ \t*]+|const[ \t]+|let[ \t]+|var[ \t]+)"
    r"([A-Za-z_]\w*)|^(?:module\.)?exports\.([A-Za-z_]\w*)[ \t]*=",
    re.MULTILINE,
)
_FILE = re.compile(r"[\w./-]*\w\.[A-Za-z]\w{0,4}|[\w.-]*/[\w./-]*")
_CODE = re.compile(r".*\.(py|js|mjs|cjs|ts|sh|c|h|go|rs|html|css|md|toml|cfg|ini)")


@dataclass(frozen=True)
class Tied:
    calls: Mapping[str, Sequence[StatedCall]]
    """By the file that defines what is called."""
    commands: Sequence[StatedCommand]

    def __bool__(self) -> bool:
        return bool(self.calls or self.commands)


def tied(examples: Sequence[Example], task: str, before: Snapshot, after: Snapshot) -> Tied:
    difference = changes(before, after)
    changed = (*difference.added, *difference.modified)
    defined = _defined(changed, after) if examples else {}
    calls: dict[str, list[StatedCall]] = {}
    commands = []
    for example in examples:
        if isinstance(example, StatedCommand):
            if _can_run(example.command, changed, before, after):
                commands.append(example)
            continue
        path = _module(example, defined, task)
        if path and not _names_file(example.call, before, after):
            calls.setdefault(path, []).append(example)
    return Tied(calls, commands)


def _defined(changed: Sequence[str], after: Snapshot) -> dict[str, list[str]]:
    """The changed modules by the names that they define at their top."""
    found: dict[str, list[str]] = {}
    for path in changed:
        text = after.files[path].text
        if text and not is_test(path):
            for name in _names(path, text):
                found.setdefault(name, []).append(path)
    return found


def _names(path: str, text: str) -> set[str]:
    if path.endswith(".py"):
        return set(_DEFINED.findall(text))
    if is_script(path) and _EXPORTS.search(text):
        return {one or other for one, other in _DEFINED_IN_SCRIPT.findall(text)}
    return set()


def _module(call: StatedCall, defined: Mapping[str, Sequence[str]], task: str) -> str:
    """The one file that is meant; empty: none, or it is not certain which."""
    paths = [path for path in defined.get(call.function, ()) if call.module in ("", _stem(path))]
    if len(paths) > 1:
        paths = [path for path in paths if named_in(task, path)]
    if len(paths) != 1 or (is_script(paths[0]) and given(call) is None):
        return ""
    return paths[0]


def _stem(path: str) -> str:
    return path.rsplit("/", 1)[-1].rsplit(".", 1)[0]


def _names_file(call: str, before: Snapshot, after: Snapshot) -> bool:
    """What it gives depends on a file that the coder may have filled with anything."""
    strings = re.findall(r"'([^'\n]{1,200})'|\"([^\"\n]{1,200})\"", call)
    paths = [(one or other).removeprefix("./") for one, other in strings]
    return any(path in after.files and path not in before.files for path in paths)


def _can_run(command: str, changed: Sequence[str], before: Snapshot, after: Snapshot) -> bool:
    """The work has made its program, and what it prints depends on nothing that the coder has made up."""
    found = parts(command)
    if found is None or found.program not in changed:
        return False
    files = [word.removeprefix("./") for word in found.arguments if _FILE.fullmatch(word)]
    if any(path not in before.files for path in files):
        return False
    made_up = [path for path in after.files if path not in before.files and not _CODE.fullmatch(path)]
    return bool(found.arguments or found.fed) or not made_up
