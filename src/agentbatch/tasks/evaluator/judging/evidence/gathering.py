"""What is to be judged of a turn whose checks have run. Pure."""

import os
from collections.abc import Collection, Sequence
from pathlib import Path

from agentbatch.tasks.agents.project import ProjectFile
from agentbatch.tasks.evaluator.checks.round import Round
from agentbatch.tasks.evaluator.evaluator import TurnEvidence
from agentbatch.tasks.evaluator.judging.evidence.evidence import Evidence
from agentbatch.tasks.evaluator.judging.execution.commands import changed_until
from agentbatch.tasks.evaluator.judging.execution.runnable import runnable
from agentbatch.tasks.spec.plan import PlannedTask
from agentbatch.workspace.files.diff.diff import changes


def gathered(
    turn: TurnEvidence,
    checked: Round,
    planned: PlannedTask,
    own_files: Sequence[Path],
    tampered: Collection[str],
    missing: Sequence[str],
    project: Sequence[ProjectFile],
) -> Evidence:
    """`own_files`: files and folders of the run's own; `tampered`: protected paths that checks found changed;
    `missing`: by the verdict before."""
    before, after, work = turn.before, checked.after, turn.work
    difference = changes(before, after)
    touched = (*difference.added, *difference.modified, *difference.deleted)
    root = planned.source or planned.root  # from a copy or a branch it gets there
    own_places = tuple(os.path.join(own, "") for own in own_files)
    ours = [path for path in touched if os.path.join(root, path, "").startswith(own_places)]
    # Before the checks: what these change, the coder's commands cannot know.
    times = turn.after.changed(runnable(before, after))
    return Evidence(
        iteration=turn.iteration,
        max_iterations=planned.max_iterations,
        task=planned.task.first_prompt,
        before=before,
        after=after,
        commands=work.commands,
        tried_from=changed_until(work.commands, work.tried_from, times),
        checks=checked.results,
        tampering=tuple(sorted({*turn.restored, *tampered, *checked.changed, *checked.suspicious, *ours})),
        said=turn.said,
        missing_before=missing,
        turn_end=turn.outcome.sentence,
        claim=turn.outcome.text,
        project=project,
    )
