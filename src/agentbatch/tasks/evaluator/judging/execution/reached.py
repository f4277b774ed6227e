"""Which programs commands have run or imported, as far as their texts say so. Pure."""

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePath

from agentbatch.tasks.evaluator.checks.tampering import is_test
from agentbatch.tasks.evaluator.judging.evidence.changed_files import RUNNABLE
from agentbatch.tasks.evaluator.judging.execution.commands import ran_well
from agentbatch.workspace.workspace import CommandRecord, Snapshot

MAX_READ = 20_000
"""Characters of a program, and of a command, that are looked at."""
MAX_PROGRAMS = 100
"""Programs that are looked at beside those of the change."""
MAX_CHANGED = 500
"""Programs of the change that are looked at; more are not reached."""

_RECIPES = frozenset(
    ("Makefile", "GNUmakefile", "makefile", "justfile", "Justfile", "package.json", "tox.ini")
)
_TESTING = re.compile(
    r"\b(?:pytest|unittest|tox|nox|make|just|jest|vitest|mocha|npm|npx|yarn|pnpm|bun|cargo|go)\b|--test\b"
)
_MODULES = re.compile(
    r"\b(?:import|from)[ \t]+([\w.]{1,200}(?:[ \t]*,[ \t]*[\w.]{1,200}){0,20})(?:[ \t]+import[ \t(]+([\w \t,]{1,500}))?"
    r"|(?:^|\s)-m[ \t]+([\w.]{1,200})"
)


def not_reached(programs: Sequence[str], commands: Iterable[str], after: Snapshot) -> tuple[str, ...]:
    """Those that no command names, and no program imports that is reached itself. A command that runs tests, or a
    recipe, reaches every one of these."""
    texts = [command[:MAX_READ] for command in commands]
    if any(_TESTING.search(text) for text in texts):
        texts += [_text(path, after) for path in [*filter(_is_recipe, after.files)][:MAX_PROGRAMS]]
        programs = [path for path in programs if not is_test(path)]
    others = [path for path in after.files if PurePath(path).suffix.lower() in RUNNABLE][:MAX_PROGRAMS]
    left = dict.fromkeys([*programs[:MAX_CHANGED], *others])
    while texts and left:
        text = texts.pop()
        words = {*re.findall(r"[\w.-]+", text)}
        modules = {
            word for found in _MODULES.findall(text) for part in found for word in re.findall(r"\w+", part)
        }
        for path in [path for path in left if _named(path, words, modules)]:
            del left[path]
            texts.append(_text(path, after))
    beyond = {*programs[MAX_CHANGED:]}
    return tuple(path for path in programs if path in left or path in beyond)


def runs_work(record: CommandRecord, programs: Sequence[str], after: Snapshot) -> bool:
    """It ran one of these programs, or tests, and that went well; where there are none, anything."""
    if not ran_well(record):
        return False
    tests = _TESTING.search(record.command[:MAX_READ]) is not None
    return not programs or tests or len(not_reached(programs, [record.command], after)) < len(programs)


def _is_recipe(path: str) -> bool:
    return is_test(path) or PurePath(path).name in _RECIPES


def _named(path: str, words: set[str], modules: set[str]) -> bool:
    name = PurePath(path)
    module = name.parent.name if name.name in ("__init__.py", "__main__.py") else name.stem
    # JavaScript may leave the ending out, as in require("./sum").
    bare = name.suffix.lower() in (".js", ".mjs", ".cjs") and name.stem in words
    return name.name in words or module in modules or bare


def _text(path: str, after: Snapshot) -> str:
    return (after.files[path].text or "")[:MAX_READ]
