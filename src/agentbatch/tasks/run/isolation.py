"""An isolated task's way: a place of its own before it begins, and what becomes of its work at the end."""

import shlex
from collections.abc import Collection
from dataclasses import replace

from agentbatch.errors import UserError
from agentbatch.runs import events as e
from agentbatch.runs.folder import RunFolder
from agentbatch.tasks.run.context import RunContext
from agentbatch.tasks.spec.plan import PlannedTask
from agentbatch.workspace.files.snapshot import Snapshot
from agentbatch.workspace.isolation.apply_back import Applied
from agentbatch.workspace.isolation.isolation import WORK, Isolation, is_disposable
from agentbatch.workspace.isolation.place_record import RECORD, IsolatedDir, read_place

MAY_GO = "may-go"
"""Lies beside a place whose files are of no use any more: a kill between a task's end and their removal leaves them."""

MAX_NAMED = 5
"""Files in the way that a notice names."""


async def remove_left_places(places: Isolation, run: RunFolder, ended: Collection[str]) -> None:
    """Remove the places that a killed process had no time for. `ended`: ids of tasks that are over for good."""
    for marker in sorted(run.path.glob(f"tasks/*/{WORK}/{MAY_GO}")):
        if marker.parent.parent.name in ended:
            await places.discard(marker.parent)


class IsolatedWork:
    """One task's place. `context.places` makes it; `enter`, `leave` and `tidy` are called in this order."""

    def __init__(self, context: RunContext, planned: PlannedTask) -> None:
        self._context = context
        self._planned = planned
        self._folder = context.store.folder.task(planned.id) / WORK
        self.place: IsolatedDir | None = None
        self._may_go = False
        """The place's files are of no use any more."""

    async def enter(self, *, anew: bool) -> PlannedTask:
        """The task with its place as its directory. `anew`: without anything of an earlier time; otherwise the place is
        there already. Raises UserError."""
        planned, places = self._planned, self._context.places
        if planned.isolation == "none" or places is None:
            return planned
        if anew:
            await places.discard(self._folder)
        elif read_place(self._folder)[0] is None:  # before anything there is taken for rubbish
            raise UserError(
                f"The {planned.isolation} that it was at work in cannot be found by {self._folder / RECORD}. "
                "--retry-failed begins it again, and removes what is there."
            )
        (self._folder / MAY_GO).unlink(missing_ok=True)
        self.place = await places.make(
            planned.isolation,
            planned.root,
            self._folder,
            task_id=planned.id,
            leave_out=self._context.hidden_files,
        )
        return replace(planned, root=self.place.root)

    async def leave(self, before: Snapshot, after: Snapshot, *, completed: bool, resumable: bool) -> str:
        """Keep what was done; returns the branch that holds it, if one does. A task that goes on later keeps its
        place."""
        place, places = self.place, self._context.places
        if place is None or places is None or resumable:
            return ""
        try:
            kept = await places.keep(place, self._message())
            applied = None
            if self._context.apply and completed and place.kind == "copy":
                applied = await places.apply_back(place, before, after)
                self._tell(applied)
            self._may_go = is_disposable(
                place, completed=completed, before=before, after=after, kept=kept, applied=applied
            )
            if self._may_go:
                (self._folder / MAY_GO).touch()
            else:
                self._notice(f"The files of task {self._planned.id} stay in {place.root}.")
        except (OSError, UserError) as error:
            self._notice(f"The work of task {self._planned.id} stays in {place.root}: {error}")
            return ""
        for note in kept.notes:
            self._notice(note)
        return kept.branch

    async def tidy(self) -> None:
        """Remove the files of a place whose work is kept. Once the task's end is stored: until then a task that is
        resumed needs them."""
        if self._may_go and self.place is not None and self._context.places is not None:
            try:
                await self._context.places.remove(self.place)
                (self._folder / MAY_GO).unlink(missing_ok=True)
            except (OSError, UserError) as error:
                self._notice(f"{self.place.folder} could not be removed: {error}")

    def _message(self) -> str:
        run_id = self._context.store.folder.run_id
        return f"agentbatch: {self._planned.id}\n\nRun {run_id}.\n\n{self._planned.task.first_prompt}\n"

    def _tell(self, applied: Applied) -> None:
        if applied.done:
            return
        shown = "; ".join(applied.in_the_way[:MAX_NAMED])
        patch = shlex.quote(str(self._folder.parent / "changes.patch"))
        more = len(applied.in_the_way) - MAX_NAMED
        self._notice(
            f"The changes of task {self._planned.id} were not applied: {shown}"
            f"{f'; and {more} more' if more > 0 else ''}. Apply them by hand: git apply --3way {patch}"
        )

    def _notice(self, text: str) -> None:
        store = self._context.store
        store.emit(e.Notice(task_id=self._planned.id, text=store.redact(text)))
