"""Rows of SWE-bench as tasks (fields: SWE-bench, docs/guides/datasets.md): the issue is the prompt, the directory is
the repository at `base_commit`, and the tests of the test patch say in the end whether it is solved. `patch`, the
solution, is not read."""

import shlex
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from agentbatch.documents.json_text import Unreadable, load_json, load_json_lines
from agentbatch.patterns import regex
from agentbatch.problems import first_problem
from agentbatch.tasks.imports.hidden_files import HiddenFile, in_batches, unpack_commands
from agentbatch.tasks.imports.imported import CannotImport, Imported, entry
from agentbatch.workspace.starting.clones import Clones, PatchedFile

PYTEST = "python3 -m pytest -q -p no:cacheprovider"
RUNNERS: Mapping[str, str] = {
    "django/django": "python3 tests/runtests.py --parallel 1 --settings=test_sqlite",
}
"""Of projects whose tests are not pytest's (SWE-bench, harness/constants: their `test_cmd`)."""

_NODE = regex(r"(?!-|/)(?!.*(?:^|/)\.\.(?:/|::))[^\0\n:]+\.py(?:::[^\0\n]+)?")
"""A test as pytest names it, in the repository."""
_DJANGO = regex(r"(test\w*) \(([A-Za-z_][\w.]*)\)")
_LABEL = regex(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
_BARE = regex(r"test\w*")


def _as_list(value: object) -> object:
    """The dataset has lists as JSON text, too."""
    if not isinstance(value, str):
        return value
    try:
        return load_json(value)
    except Unreadable:
        raise ValueError("must be a list, or one as JSON") from None


Tests = Annotated[list[str], BeforeValidator(_as_list)]


class Instance(BaseModel):
    """A row, as far as it is used."""

    model_config = ConfigDict(frozen=True, strict=True)

    instance_id: str
    repo: str
    base_commit: str
    problem_statement: str = Field(min_length=1)
    test_patch: str = Field(min_length=1)
    fail_to_pass: Tests = Field(alias="FAIL_TO_PASS", min_length=1)
    pass_to_pass: Tests = Field([], alias="PASS_TO_PASS")


def read_rows(text: str, suffix: str) -> list[tuple[str, Any]]:
    """Where each row stands, and the row. Raises Unreadable."""
    if suffix == ".json":
        rows = load_json(text)
        if not isinstance(rows, list):
            raise Unreadable("a list of rows is wanted")
        return [(f"row {number}", row) for number, row in enumerate(rows, 1)]
    return [(f"line {number}", row) for number, _, row in load_json_lines(text)]


def read_instance(row: Any) -> Instance:
    """Raises CannotImport."""
    try:
        return Instance.model_validate(row)
    except ValidationError as error:
        problem = first_problem(error)
        rest = "is missing" if problem.kind == "missing" else problem.message
        raise CannotImport(f"{problem.name or 'the row'} {rest}.") from None


def swe_bench_task(row: Any, clones: Clones, test_command: str) -> Imported:
    """`test_command`: runs the tests whose names come behind it; empty: as the project is known to. Raises
    CannotImport, UserError."""
    instance = read_instance(row)
    git_dir = clones.find(instance.repo)
    patched = clones.patched(git_dir, instance.base_commit, instance.test_patch)
    must, unnamed = runnable(instance.fail_to_pass, patched)
    if unnamed:
        raise CannotImport(f"no program can be told to run its test {unnamed[0][:80]!r}.")
    others, unnamed = runnable(instance.pass_to_pass, patched)
    names = dict.fromkeys((*must, *others))
    command = runner(test_command, instance.repo, names)
    files = patched.items()
    laid = {path: HiddenFile(one.content, one.executable) for path, one in files if one.content is not None}
    hidden = (
        *remove_commands(patched),
        *unpack_commands(laid),
        *in_batches(command, names),
    )  # fmt: skip
    made = entry(instance.instance_id, instance.problem_statement, hidden)
    left = f"{len(unnamed)} of its tests that passed before have no name to run them by, and are left out."
    make = partial(clones.check_out, git_dir, instance.base_commit)
    return Imported(made, make, (left,) if unnamed else ())


def runner(given: str, repository: str, names: Mapping[str, None]) -> str:
    """The command that `names` are put behind: the one that was given, the project's, or pytest. Raises CannotImport
    where pytest does not know them."""
    if given or repository in RUNNERS:
        return given or RUNNERS[repository]
    other = next((name for name in names if not _NODE.fullmatch(name)), None)
    if other is not None:
        raise CannotImport(f"its test {other[:80]!r} is not pytest's: --test-command says how to run it.")
    return PYTEST


def runnable(tests: Sequence[str], patched: Mapping[str, PatchedFile]) -> tuple[dict[str, None], list[str]]:
    """The names that a test runner takes, each once, and the tests that have none. A name that the dataset has cut off
    in its parameters stands for the whole function; one of Django's becomes a label; a bare one is looked up in the
    files of the test patch (`patched`)."""
    names: dict[str, None] = {}
    unnamed = []
    for test in tests:
        name = _runnable(test, patched)
        if name is None:
            unnamed.append(test)
        else:
            names[name] = None
    return names, unnamed


def _runnable(test: str, patched: Mapping[str, PatchedFile]) -> str | None:
    if _NODE.fullmatch(test):
        function, bracket, _ = test.partition("[")
        return function if bracket and not test.endswith("]") else test
    django = _DJANGO.fullmatch(test)
    if django is not None:
        name, place = django.groups()
        label = place if place.endswith(f".{name}") else f"{place}.{name}"
        return label if _LABEL.fullmatch(label) else None
    if _BARE.fullmatch(test):
        sign = f"def {test}(".encode()
        found = (f"{path}::{test}" for path, file in patched.items() if file.content and sign in file.content)
        return next(filter(_NODE.fullmatch, found), None)
    return None


def remove_commands(patched: Mapping[str, PatchedFile]) -> tuple[str, ...]:
    gone = [shlex.quote(f"./{path}") for path, file in patched.items() if file.content is None]
    return (f"rm -f {' '.join(gone)}",) if gone else ()
