"""Going on with a run: what its database says of each task."""

from dataclasses import replace

from agentbatch.runs.store.database import read_state, reading
from agentbatch.runs.store.history import load_histories
from agentbatch.runs.store.store import Store
from agentbatch.runs.visits import refuse_visited
from agentbatch.tasks.run.prepare.prepared_run import PreparedRun
from agentbatch.tasks.run.resume.resume_plan import ResumePlan, resume_actions
from agentbatch.tasks.spec.attempts import with_attempts
from agentbatch.text import counted


def load_resume_plan(prepared: PreparedRun, store: Store) -> ResumePlan:
    """How the tasks of the plan resume; of a new run, nothing."""
    if prepared.resumed is None:
        return ResumePlan()
    settings, known = prepared.settings, store.state.by_id
    refuse_visited(store.folder, [*known])
    found = resume_actions(
        with_attempts(prepared.plan).tasks, known, retry_failed=settings.retrying, force=settings.force
    )
    under_way = [known[task_id] for task_id, action in found.items() if action == "continue"]
    with reading(store.folder.database, "is damaged, so that the run cannot be resumed") as connection:
        return ResumePlan(found, load_histories(connection, under_way))


def what_runs(prepared: PreparedRun) -> tuple[PreparedRun, str]:
    """The run with the tasks alone that a resumption would start or resume, and a line that says how many are over.
    Reads only. Raises UserError."""
    if prepared.resumed is None:
        return prepared, ""
    settings, tasks = prepared.settings, prepared.plan.tasks
    known = read_state(prepared.resumed.database).tasks
    found = resume_actions(tasks, known, retry_failed=settings.retrying, force=settings.force)
    left = tuple(task for task in tasks if found[task.id] != "keep")
    over = len(tasks) - len(left)
    line = f"resumes run {prepared.resumed.run_id}: {counted(over, 'task')} over, {len(left):,} to run\n"
    return replace(prepared, plan=replace(prepared.plan, tasks=left)), line
