"""Where results are: the runs of a folder and the results files in it; and finding the one that a user names."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from agentbatch.errors import UserError
from agentbatch.runs.folder import RunFolder
from agentbatch.runs.listing import RunCondition, condition, find_run, list_runs, open_run, require_tasks
from agentbatch.runs.state.run_state import RunState
from agentbatch.tasks.results.reading import read_results_file
from agentbatch.text import clip

PATTERN = "*results*.json"
"""How results files are named: `batch_results.json`, `parallel_batch_results.json`, `test_results.json`."""


@dataclass(frozen=True)
class Source:
    """A run's folder, or a results file. The same path is the same source."""

    path: Path
    folder: RunFolder | None = field(compare=False)
    """None: a results file."""

    @property
    def name(self) -> str:
        """The run's id or the file's name. Untrusted."""
        return self.path.name


@dataclass(frozen=True)
class Results:
    """The outcome of a source, complete: with all prompts, answers and verdicts."""

    source: Source
    state: RunState
    condition: RunCondition
    begun: float
    """Epoch second; 0 if unknown."""
    last: float
    """Of its latest event, or its end; 0 if unknown."""

    def seconds(self, now: float) -> float:
        """Wall clock. `now`: epoch seconds, for a run that is under way."""
        return self.state.seconds(now if self.condition == "running" else self.last)


def run_source(folder: RunFolder) -> Source:
    return Source(folder.path, folder)


def file_source(path: Path) -> Source:
    return Source(path, None)


def list_sources(base: Path) -> list[Source]:
    """The runs, the newest first, then the files named like results, latest first."""
    return [*(run_source(folder) for folder in list_runs(base)), *map(file_source, results_files(base))]


def results_files(base: Path) -> list[Path]:
    """Found by name only; reading one shows whether it is a results file. Latest first."""
    found = []
    try:
        for path in base.glob(PATTERN):
            if path.is_file() and not path.name.startswith("."):
                found.append((path.stat().st_mtime, path))
    except OSError:
        pass  # it has gone: the next listing shows that
    return [path for _, path in sorted(found, reverse=True)]


def find_source(base: Path, name: str) -> Source:
    """What `name` means: a file, a run's folder, a run's id, or the beginning of one. Raises UserError."""
    try:
        path = base / name
        if path.is_file() or name.endswith(".json") or (path.exists() and not path.is_dir()):
            return file_source(path)
        if path.is_dir() and not (path / "run.db").is_file() and (path / "results.json").is_file():
            return file_source(path / "results.json")
    except (OSError, ValueError):
        raise UserError(f"{clip(name, 300)!r} is not the name of a file or a run.") from None
    if os.sep in name and not path.exists():
        raise UserError(f"There is no file or run folder {clip(name, 300)}.")
    return run_source(find_run(base, name))


def read_results(source: Source) -> Results:
    """Raises UserError: what cannot be read, and why; also for a batch of plain requests, which has no such results."""
    if source.folder is not None:
        run = open_run(source.folder, outline=False)
        require_tasks(run.state.info, run.folder.run_id)
        return Results(source, run.state, run.condition, run.begun, run.last)
    state = read_results_file(source.path)
    begun = state.info.ts if state.info is not None else 0.0
    last = state.finished.ts if state.finished is not None else begun
    return Results(source, state, condition(state, held=False), begun, last)
