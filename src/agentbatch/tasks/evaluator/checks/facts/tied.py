"""Which examples can be run on the work: those whose function, or program, it has made. Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from agentbatch.patterns import regex
from agentbatch.tasks.evaluator.checks.facts.scripts import given, is_script
from agentbatch.tasks.evaluator.checks.facts.stated.commands import parts
from agentbatch.tasks.evaluator.checks.facts.stated.example import Example, StatedCall, StatedCommand
from agentbatch.tasks.evaluator.checks.tampering import is_test, named_in
from agentbatch.workspace.files.diff.diff import changes
from agentbatch.workspace.workspace import Snapshot

_DEFINED = regex(r"^(?:async[ \t]+)?(?:def|class)[ \t]+([A-Za-z_]\w*)", re.MULTILINE)
_EXPORTS = regex(r"^(?:module\.)?exports\b|^export\s", re.MULTILINE)
_DEFINED_IN_SCRIPT = regex(
    r"^(?:export[ \t]+)?(?:default[ \t]+)?(?:async[ \t]+)?(?:function[ \t*]+|const[ \t]+|let[ \t]+|var[ \t]+)"
    r"([A-Za-z_]\w*)|^(?:module\.)?exports\.([A-Za-z_]\w*)[ \t]*=",
    re.MULTILINE,
)
_FILE = regex(r"[\w./-]*\w\.[A-Za-z]\w{0,4}|[\w.-]*/[\w./-]*")
_PYTHON_FILE = regex(r"[\w./-]{0,200}\w\.py\b")
_FUNCTIONS = r"\b[Ff]unctions?\b|\bdef\b|\bclass\b|函数|関数"
_BINDS_UNSEEN = regex(r"import[ \t]+\*|\bglobals\(|\bsetattr\(|\bexec\(|\b__getattr__\b")
"""How a Python module comes by a name that does not stand in it."""
_CODE = regex(r".*\.(py|js|mjs|cjs|ts|sh|c|h|go|rs|html|css|md|toml|cfg|ini)")


class TiedExamples(NamedTuple):
    calls: Mapping[str, Sequence[StatedCall]]
    """By the file that defines what is called."""
    commands: Sequence[StatedCommand]
    absent: Mapping[str, Sequence[str]]
    """Names that are called and stand nowhere in the only file that the task names, by this file."""

    def __bool__(self) -> bool:
        return bool(self.calls or self.commands or self.absent)


def tied(examples: Sequence[Example], task: str, before: Snapshot, after: Snapshot) -> TiedExamples:
    difference = changes(before, after)
    changed = (*difference.added, *difference.modified)
    defined = _defined(changed, after) if examples else {}
    # Once: a coder may make 50,000 files, and each name is looked for in the whole task.
    named = [path for path in changed if named_in(task, path)] if examples else []
    calls: dict[str, list[StatedCall]] = {}
    commands = []
    for example in examples:
        if isinstance(example, StatedCommand):
            if _can_run(example.command, changed, before, after):
                commands.append(example)
            continue
        path = _module(example, defined, task, named) or _named_module(example, named, after)
        if path and not _names_file(example.call, before, after):
            calls.setdefault(path, []).append(example)
    return TiedExamples(calls, commands, _absent(examples, task, after))


def _absent(examples: Sequence[Example], task: str, after: Snapshot) -> dict[str, list[str]]:
    """A task that names one Python file alone, and says of a name that it is a function's, means that file."""
    called = {call.function for call in examples if isinstance(call, StatedCall) and not call.module}
    names = [name for name in called if re.search(rf"(?:{_FUNCTIONS})[^\n]{{0,80}}\b{name}\b", task)]
    files = {path.removeprefix("./") for path in _PYTHON_FILE.findall(task)}
    python = [entry.text or "" for path, entry in after.files.items() if path.endswith(".py")]
    if len(files) != 1 or (path := files.pop()) not in after.files or any(map(_BINDS_UNSEEN.search, python)):
        return {}
    found = [name for name in sorted(names) if not any(re.search(rf"\b{name}\b", text) for text in python)]
    return {path: found} if found and after.files[path].text else {}


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


def _module(call: StatedCall, defined: Mapping[str, Sequence[str]], task: str, named: Sequence[str]) -> str:
    """The one file that is meant; empty: none, or it is not certain which. `named`: the changed files whose name the
    task has."""
    paths = [path for path in defined.get(call.function, ()) if call.module in ("", _stem(path))]
    if len(paths) > 1:
        paths = _nearest([*filter({*named}.__contains__, paths)] or paths, task)
    if len(paths) != 1 or (is_script(paths[0]) and given(call) is None):
        return ""
    return paths[0]


def _nearest(paths: Sequence[str], task: str) -> list[str]:
    """Those of which the task has the whole path, else those that lie least deep."""
    depth = min(path.count("/") for path in paths)
    whole = [path for path in paths if "/" in path and path in task]
    return whole or [path for path in paths if path.count("/") == depth]


def _named_module(call: StatedCall, named: Sequence[str], after: Snapshot) -> str:
    """The one file that the task names and that has the name, however it comes by it (an import, a lambda, exports):
    whether it is there is seen when it runs. Empty: there is none."""
    word = re.compile(rf"\b{re.escape(call.function)}\b")
    paths = [
        path
        for path in named
        if (path.endswith(".py") or (is_script(path) and _EXPORTS.search(after.files[path].text or "")))
        and not is_test(path)
        and call.module in ("", _stem(path))
        and word.search(after.files[path].text or "")
    ]
    return paths[0] if len(paths) == 1 and not (is_script(paths[0]) and given(call) is None) else ""


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
    if found.arguments or found.fed:
        return True
    made_up = [path for path in after.files if path not in before.files and not _CODE.fullmatch(path)]
    code = [after.files[path].text or "" for path in changed if _CODE.fullmatch(path)]
    return not any(_reads(text, path) for path in made_up for text in code)


def _reads(text: str, path: str) -> bool:
    """A program may read the file: it has its name, or names of its kind."""
    name = path.rsplit("/", 1)[-1]
    ending = name[name.rfind(".") :] if "." in name else name
    return ending in text
