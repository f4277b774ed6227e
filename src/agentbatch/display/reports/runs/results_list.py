"""What there is to look at in a folder: its runs and results files, a line each."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from agentbatch.display.reports.runs.runs_table import RunLine, Unreadable, line_of, run_line
from agentbatch.errors import UserError
from agentbatch.runs.folder import holder
from agentbatch.runs.listing import open_run
from agentbatch.tasks.results.reading import NoResults
from agentbatch.tasks.results.sources import Source, read_results

Stamp = tuple[object, ...]


@dataclass(frozen=True)
class ListedRun:
    """One run, or one results file, as a list shows it."""

    source: Source
    line: RunLine | None
    """None: it cannot be read."""
    problem: str = ""
    """Why not; a sentence."""

    @property
    def brief(self) -> str:
        """The problem without the path, which the name beside it shows already."""
        place = self.source.path
        return self.problem.replace(f"{place}/", "").removeprefix(str(place)).lstrip(": ")


def list_results(sources: Iterable[Source], now: float) -> list[ListedRun]:
    """Reads them all, one after another. Files that are results in name only are left out."""
    found = []
    for source in sources:
        try:
            found.append(ListedRun(source, _line(source, now)))
        except NoResults:
            continue
        except UserError as error:
            found.append(ListedRun(source, None, str(error)))
    return found


def unreadable(listed: Iterable[ListedRun]) -> list[Unreadable]:
    return [
        Unreadable(one.source.name, str(one.source.path), one.brief) for one in listed if one.line is None
    ]


def _line(source: Source, now: float) -> RunLine:
    if source.folder is not None:
        return run_line(open_run(source.folder), now)
    results = read_results(source)
    return line_of(
        results.state, source.name, source.path, results.condition, results.begun, results.seconds(now)
    )


class Lister:
    """Looks again and again, and reads only what has changed."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[Stamp, list[ListedRun]]] = {}

    def look(self, sources: Iterable[Source], now: float) -> list[ListedRun]:
        """As `list_results`."""
        known, self._known = self._known, {}
        for source in sources:
            stamp = _stamp(source)
            before = known.get(source.path)
            if before is None or before[0] != stamp:
                before = (stamp, list_results([source], now))
            self._known[source.path] = before
        return [one for _, listed in self._known.values() for one in listed]


def _stamp(source: Source) -> Stamp:
    """Another one when the source has changed: what was written, and who works on it."""
    if source.folder is None:
        return _file_stamp(source.path)
    database = source.folder.database
    log = database.with_name(f"{database.name}-wal")
    return (*_file_stamp(database), *_file_stamp(log), holder(source.folder))


def _file_stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except OSError:
        return (None,)
    return (found.st_ino, found.st_mtime_ns, found.st_size)
