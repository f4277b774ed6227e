"""A task's directory as the loop sees it: its workspace, how it was when the task began, how it was seen last."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from agentbatch.errors import UserError
from agentbatch.runs import events as e
from agentbatch.tasks.agents.project import Project, project_of, unchanged
from agentbatch.tasks.agents.shorten import shortened
from agentbatch.tasks.results.changes import write_changes
from agentbatch.tasks.run.beginning.baseline import Baseline
from agentbatch.tasks.run.beginning.setup import set_up
from agentbatch.tasks.run.context import RunContext
from agentbatch.tasks.run.user.visiting import tell_visits
from agentbatch.tasks.spec.plan import PlannedTask
from agentbatch.workspace.files.diff.diff import changes, file_changes, render_patch
from agentbatch.workspace.workspace import Protected, Snapshot, TaskWorkspace, Workspace

MAX_CHANGES = 12_000
"""Characters of a patch that a coder is told."""


@dataclass
class TaskDirectory:
    workspace: Workspace
    before: Snapshot = field(default_factory=lambda: Snapshot({}))
    """When the task began."""
    after: Snapshot = field(default_factory=lambda: Snapshot({}))
    """As it was seen last."""
    protected: Protected | None = None

    async def restore(self) -> tuple[str, ...]:
        """Put protected files back; returns the paths that had been changed."""
        return tuple(await self.workspace.restore(self.protected)) if self.protected else ()

    async def look(self) -> None:
        """See it as it is now."""
        self.after = await self.workspace.snapshot(self.after)

    async def changes(self, redact: Callable[[str], str]) -> str:
        """All that has been changed since the task began, as a patch, for whoever takes over: of a large one its
        beginning and its end."""
        await self.look()
        files = (file.cleaned(redact) for file in file_changes(self.before, self.after))
        return shortened(render_patch(files), MAX_CHANGES)

    def project(self, context: RunContext, planned: PlannedTask, known: Mapping[str, str] | None) -> Project:
        """What the project asks of the work; said once. `known`: what was given in an earlier session, by digests: what
        lies above the directory and has changed since is not given."""
        above = context.above.get(planned.source or planned.root, {})
        found = project_of(
            planned.task.context, self.before, above, context.store.redact, planned.task.first_prompt
        )
        found, gone = unchanged(found, self.before, known)
        if gone:
            context.store.emit(e.Notice(task_id=planned.id, text=gone))
        if known is None:
            for text in found.left_out:
                context.store.emit(e.Notice(task_id=planned.id, text=text))
            if found.files:
                context.store.emit(
                    e.ProjectRead(
                        task_id=planned.id,
                        files=found.digests,
                        rules=found.rules.path if found.rules is not None else "",
                    )
                )
        return found

    async def begin(
        self, context: RunContext, planned: PlannedTask, place: TaskWorkspace, *, is_set_up: bool = False
    ) -> None:
        """The task begins: set the place up, and remember the directory as it is then: what `setup` has made is no work
        of the coder's. Raises SetupFailed, UserError, OSError."""
        for text in map(context.store.redact, self.workspace.info.notices):
            said = context.store.state.notices  # of another task, perhaps
            if not any(known.endswith(f": {text}") for known in said):
                context.store.emit(e.Notice(task_id=planned.id, text=f"Task {planned.id}: {text}"))
        sets_up, kept = bool(planned.task.setup) and not is_set_up, False
        if sets_up:
            kept = await set_up(context.store, planned, self.workspace, place)
        self.before = self.after = await self.workspace.snapshot()
        if planned.task.protected_paths:
            self.protected = await self.workspace.protect(planned.task.protected_paths)
        await context.beginnings.save(planned.id, Baseline(self.before, self.protected))
        if sets_up:
            context.store.emit(e.SetUp(task_id=planned.id, kept=kept))
            await context.store.stored()

    async def resume(self, context: RunContext, planned: PlannedTask) -> None:
        """The task is resumed: it is judged against the same beginning. Raises UserError."""
        try:
            baseline = await context.beginnings.load(planned.id)
        except (OSError, ValueError) as error:
            raise UserError(
                f"It cannot be resumed: the record of its directory at the beginning is lost: {error} "
                "--retry-failed begins it again."
            ) from None
        self.before = self.after = baseline.snapshot
        self.protected = baseline.protected
        tell_visits(context.store, planned.id)

    async def write_changes(self, context: RunContext, planned: PlannedTask) -> int:
        """Write down what the task changed; returns the number of files. Raises OSError."""
        store = context.store
        total = changes(self.before, self.after).total
        if total:
            folder = store.folder.task(planned.id)
            await write_changes(folder, file_changes(self.before, self.after), store.redact)
        return total
