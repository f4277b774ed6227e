"""What a run of tasks leaves at its end besides its results: reports, and its exit code."""

from collections.abc import Sequence
from pathlib import Path

from agentbatch.config.reports import STDOUT, ReportRequest, parse_report
from agentbatch.display.reports.material import NOTHING_CHOSEN, Material, enough_completed
from agentbatch.errors import UserError
from agentbatch.runs.folder import RunFolder
from agentbatch.tasks.results.records import Records
from agentbatch.tasks.run.prepare.results_file import own_place
from agentbatch.tasks.run.run_batch import RunOutcome


def choose_places(
    asked: Sequence[str], folder: Path, roots: Sequence[Path], *, compared: bool = False
) -> list[ReportRequest]:
    """Where the reports will be, with every link followed while no task has begun. `roots`: the directories in which
    tasks work; `compared`: models are compared on them. Raises UserError: what cannot be written, and why."""
    found = []
    for one in map(parse_report, asked):
        if one.place == STDOUT:
            raise UserError(
                "--report writes files, since the run itself is shown on standard output; name one."
            )
        if compared and one.kind == "predictions":
            raise UserError(f"--report {one.place}: {NOTHING_CHOSEN}")
        named = (folder / one.place).absolute()
        inside = named / "index.html" if one.folder else named
        place = own_place(inside, roots, "report", "--report")
        found.append(ReportRequest(one.kind, str(place.parent if one.folder else place)))
    return found


def write_reports(places: Sequence[ReportRequest], outcome: RunOutcome, now: float) -> list[str]:
    """Sentences about those that could not be written."""
    if not places:
        return []
    from agentbatch.display.reports.report import write_report  # every kind of report

    records = Records(RunFolder(outcome.run_folder))
    material = Material(outcome.state, now, comparison=outcome.comparison, records=records)
    problems = []
    for one in places:
        try:
            write_report(one, material, overwrite=True, follow=False)
        except UserError as error:
            problems.append(f"A report is missing: {error}")
    return problems


def exit_code(outcome: RunOutcome, fail_under: float | None) -> int:
    """`fail_under`: percent of the tasks. A run that was interrupted, or has no results, keeps its own."""
    if fail_under is None or outcome.exit_code not in (0, 1) or outcome.problem:
        return outcome.exit_code
    return 0 if enough_completed(outcome.state, fail_under) else 1
