"""Importing tasks into a folder: a task file, and a directory for each."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import ValidationError

from agentbatch.documents.json_text import Unreadable
from agentbatch.errors import UserError, cannot_be
from agentbatch.files import as_json, read_given, write_atomic
from agentbatch.problems import first_problem
from agentbatch.tasks.imports.harbor import harbor_task, is_harbor_task
from agentbatch.tasks.imports.imported import WORK, CannotImport, Imported
from agentbatch.tasks.imports.swe_bench import read_rows, swe_bench_task
from agentbatch.tasks.spec.task import Task
from agentbatch.text import clip
from agentbatch.workspace.starting.clones import Clones
from agentbatch.workspace.starting.folder import discard

MAX_ROWS_FILE = 512 * 1024 * 1024
"""Bytes. All of SWE-bench's rows take 100 MB."""
MAX_TASKS = 10_000
TASK_FILE = "task.json"


@dataclass(frozen=True)
class ImportOptions:
    """What is asked for."""

    into: Path
    repos: Path | None
    test_command: str
    rewrite_paths: bool
    pattern: str
    """Of ids; empty: all."""
    limit: int | None


class ImportProgress(NamedTuple):
    """What became of one task, while it does."""

    done: Literal["imported", "note", "left out"]
    task: str
    """Its id; where it has none, where it stands."""
    sentence: str = ""


class _Candidate(NamedTuple):
    name: str
    make: Callable[[], Imported]


def import_tasks(
    sources: Sequence[Path], wanted: ImportOptions, environ: Mapping[str, str]
) -> Iterator[ImportProgress]:
    """Import from files of rows and folders of tasks; the task file is written at the end. Raises UserError: there is
    nothing to import, or `into` is not empty."""
    candidates = [one for source in sources for one in _candidates(source, wanted, environ)]
    keep = re.compile(wanted.pattern)
    chosen = list(islice((one for one in candidates if keep.search(one.name)), wanted.limit))
    if not chosen:
        raise UserError("No task to import: --filter keeps none." if candidates else "No task to import.")
    if len(chosen) > MAX_TASKS:
        raise UserError(f"{len(chosen):,} tasks; at most {MAX_TASKS:,} are imported at once.")
    _make_folder(wanted.into)
    entries: dict[str, Mapping[str, Any]] = {}
    for one in chosen:
        try:
            made = one.make()
            _check(made, entries)
            _make(made, wanted.into)
        except (CannotImport, UserError, OSError) as error:
            yield ImportProgress("left out", one.name, clip(str(error), 600))
            continue
        entries[made.id.casefold()] = made.entry
        yield ImportProgress("imported", made.id)
        yield from (ImportProgress("note", made.id, note) for note in made.notes)
    if entries:
        write_atomic(wanted.into / TASK_FILE, as_json({"tasks": [*entries.values()]}) + "\n")


def _candidates(source: Path, wanted: ImportOptions, environ: Mapping[str, str]) -> Iterator[_Candidate]:
    if source.is_dir():
        folders = (
            [source.resolve()] if is_harbor_task(source) else sorted(filter(is_harbor_task, source.iterdir()))
        )
        if not folders:
            raise UserError(
                f"{source}: no task of Harbor's in it: a folder with task.toml and instruction.md."
            )
        for folder in folders:
            yield _Candidate(folder.name, partial(harbor_task, folder, wanted.rewrite_paths))
        return
    if not source.exists():
        raise UserError(f"There is no file and no folder {source}.")
    if wanted.repos is None:
        raise UserError(
            f"{source}: rows of SWE-bench need --repos DIR, a folder with clones of their repositories."
        )
    if not wanted.repos.is_dir():
        raise UserError(f"--repos {wanted.repos} is not a folder.")
    clones = Clones.of(wanted.repos, environ, wanted.into)
    for where, row in _rows(source):
        given = row.get("instance_id") if isinstance(row, dict) else None
        yield _Candidate(
            given if isinstance(given, str) and given else where,
            partial(swe_bench_task, row, clones, wanted.test_command),
        )


def _rows(source: Path) -> list[tuple[str, Any]]:
    try:
        text = read_given(source, MAX_ROWS_FILE).decode("utf-8-sig")
        return read_rows(text, source.suffix.lower())
    except UnicodeDecodeError:
        raise UserError(f"{source} is not UTF-8 text: rows come as JSON lines or JSON.") from None
    except Unreadable as error:
        raise UserError(f"{source}: {error}.") from None
    except (OSError, ValueError) as error:
        raise cannot_be("read", source, error) from None


def _make_folder(into: Path) -> None:
    try:
        into.mkdir(parents=True, exist_ok=True)
        there = next(into.iterdir(), None)
    except OSError as error:
        raise cannot_be("made", into, error) from None
    if there is not None:
        raise UserError(f"{into} is not empty ({clip(there.name, 60)!r}); name a new folder with --into.")


def _check(made: Imported, others: Mapping[str, object]) -> None:
    """Raises CannotImport for what would be refused in a task file."""
    if made.id.casefold() in others:
        raise CannotImport("its id is already that of another one.")
    try:
        Task.model_validate(made.entry)
    except ValidationError as error:
        problem = first_problem(error)
        raise CannotImport(f"{problem.name} {problem.message}.") from None


def _make(made: Imported, into: Path) -> None:
    place = into.resolve() / WORK / made.id
    try:
        made.make(place)
    except BaseException:
        discard(place)
        raise
