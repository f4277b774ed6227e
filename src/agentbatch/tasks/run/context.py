"""What every task of a run shares. No global state."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agentbatch.runs.store.store import Store
from agentbatch.tasks.agents.project import ProjectFile
from agentbatch.tasks.coders.coder import Coders
from agentbatch.tasks.evaluator.evaluator import Evaluators
from agentbatch.tasks.run.beginning.beginnings import Beginnings
from agentbatch.tasks.run.signals import RunSignals
from agentbatch.tasks.spec.plan import PlannedTask
from agentbatch.workspace.workspace import Order, SetupCache, TaskWorkspace, Workspaces


@dataclass(frozen=True)
class RunContext:
    store: Store
    beginnings: Beginnings
    workspaces: Workspaces
    coders: Coders
    evaluators: Evaluators
    signals: RunSignals
    verify_timeout: float
    """Seconds for each command that verifies; the evaluator's."""
    worded: Callable[[Sequence[str]], str]
    """What the user says, as a coder is told it."""
    above: Mapping[Path, Mapping[str, ProjectFile]] = field(default_factory=dict)
    """By a task's directory, what lies above it of the project's rules, as it was before the run (project.RULES)."""
    apply: bool = False
    """What a completed task changed in its copy is brought back into its directory."""

    def make_workspace(self, planned: PlannedTask, *, resume: bool, at_work: bool = True) -> TaskWorkspace:
        """`resume`: where an earlier session of the run left the task."""
        state, kept = self.store.state.by_id[planned.id], planned.task.setup_cache
        return self.workspaces.make(
            Order(
                task_id=planned.id,
                directory=str(planned.root),
                isolation=planned.isolation,
                env=planned.task.env,
                tools=tuple(dict.fromkeys((*self.coders.tools, *self.evaluators.tools))),
                command_timeout=self.coders.command_timeout,
                resume=resume,
                setup=planned.task.setup,
                setup_cache=None if kept is None else SetupCache(kept.key, kept.paths),
                include=planned.task.include,
                untouched=not (resume or state.iteration or state.reruns),
                repair=resume or state.reruns > 0,
                apply=self.apply or planned.bring_back,
                at_work=at_work,
                limits=planned.limits,
                image=planned.image,
            )
        )
