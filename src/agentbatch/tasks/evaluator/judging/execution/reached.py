"""Which programs commands have run or imported, as far as their texts say so. Pure."""

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePath

from agentbatch.patterns import regex
from agentbatch.tasks.evaluator.checks.check import CheckResult
from agentbatch.tasks.evaluator.checks.facts.forms import form_of, stays_python2
from agentbatch.tasks.evaluator.checks.tampering import is_test
from agentbatch.tasks.evaluator.judging.execution.commands import ran_well
from agentbatch.tasks.evaluator.judging.execution.runnable import RUNNABLE, runnable
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
_TESTING = regex(
    r"\b(?:pytest|unittest|tox|nox|make|just|jest|vitest|mocha|npm|npx|yarn|pnpm|bun|cargo|go)\b|--test\b"
)
_MODULES = regex(
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
    return ran_well(record) and (
        not programs or _is_recipe_or_test(record.command) or starts(record.command, programs, after)
    )


def starts(command: str, programs: Sequence[str], after: Snapshot) -> bool:
    """It starts one of these programs itself, as its text says, and no recipe that might do more than that."""
    reached = len(not_reached(programs, [command], after)) < len(programs)
    return reached and not _is_recipe_or_test(command)


def _is_recipe_or_test(command: str) -> bool:
    return _TESTING.search(command[:MAX_READ]) is not None


def to_be_run(before: Snapshot, after: Snapshot, checks: Sequence[CheckResult]) -> tuple[str, ...]:
    """The files of the change that can be run here, and that no check has run, as far as texts say so."""
    return _unreached(runnable(before, after), checks, [], after)


def to_be_loaded(
    before: Snapshot,
    after: Snapshot,
    checks: Sequence[CheckResult],
    commands: Sequence[CommandRecord],
    task: str,
) -> tuple[str, ...]:
    """The programs of the change that neither a check nor one of the commands, those since the last change, has run or
    imported, as far as texts say so. A `verify` that passed stands for all of them."""
    programs = [path for path in loadable(before, after, task) if not is_test(path)]
    return _unreached(
        programs,
        checks,
        [record.command for record in commands if ran_well(record)],
        after,
    )


def _unreached(
    programs: Sequence[str], checks: Sequence[CheckResult], commands: Sequence[str], after: Snapshot
) -> tuple[str, ...]:
    """Those that neither commands nor checks reach. Examples and calls are of what the change defines."""
    passed = [check for check in checks if check.passed and check.ran]
    tied = any(check.kind == "example" or (check.kind == "own" and check.details) for check in passed)
    one = len([path for path in programs if not is_test(path)]) == 1
    if any(check.kind == "verify" for check in passed) or (tied and one):
        return ()
    return not_reached(programs, [*commands, *(check.command for check in passed)], after)


def loadable(before: Snapshot, after: Snapshot, task: str) -> list[str]:
    """The programs of the change, without those that may be broken on purpose."""
    return [
        path
        for path in runnable(before, after)
        if form_of(path, after.files[path], task) and not stays_python2(before.files.get(path), task)
    ]


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
