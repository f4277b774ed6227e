"""Leaving a run: at once, or after a question when its engine is one of ours."""

from typing import Protocol

from textual import work

from agentbatch.tui.screens.ask import AskScreen, Choice
from agentbatch.tui.screens.steering import SteeringKeys


class OwnEngine(Protocol):
    """An engine that this app has started (`runs.services.background.Background`)."""

    def detach(self) -> None:
        """It keeps running without us."""

    def stop(self) -> None: ...

    def stop_now(self) -> None: ...

    def ended(self) -> int | None:
        """Its exit code; None while it runs."""


class LeavingRun(SteeringKeys):
    """An engine of ours ends with the screen, unless the user keeps it running."""

    engine: OwnEngine | None = None
    """None: of somebody else."""
    leaving = False
    """The app exits when the engine has ended."""

    @property
    def exit_code(self) -> int:
        """As that of the run without a screen: 0 all completed, 1 some did not, 130 it was stopped before. A run that
        we only looked at: 0."""
        if self.engine is None:
            return 0
        ended = self.engine.ended()
        if ended is not None and ended >= 0:
            return ended
        return self.view.state.exit_code  # the run is over, its process not yet

    def exit_when_ended(self) -> None:
        """Called every second."""
        if self.leaving and self.view.condition != "running":
            self.app.exit(self.exit_code)

    def action_leave(self) -> None:
        if self.engine is None and len(self.app.screen_stack) > 2:
            self.dismiss(None)
        elif self.engine is None or self.view.condition != "running":
            self.app.exit(self.exit_code)
        else:
            self._ask_before_leaving(self.engine)

    def action_back(self) -> None:
        """To the screen below; a run of ours that is under way asks first."""
        if self.engine is not None and self.view.condition == "running":
            self._ask_before_leaving(self.engine)
        elif len(self.app.screen_stack) > 2:
            self.dismiss(None)

    @work(exclusive=True, group="leave")
    async def _ask_before_leaving(self, engine: OwnEngine) -> None:
        choices = [
            Choice("b", "Keep it running in the background", "background"),
            Choice("s", "Stop the run and leave; it can be resumed later", "stop"),
        ]
        question = "The run is under way."
        if self.leaving:
            question = "The run is stopping: running iterations end first."
            choices[1] = Choice("s", "Stop at once: cut off calls and commands", "now")
        answer = await self.app.push_screen_wait(AskScreen(question, choices))
        if answer == "background":
            engine.detach()
            self.app.exit(0)
        elif answer:
            self.leaving = True
            (engine.stop_now if answer == "now" else engine.stop)()
            self.inform("Stopping: running iterations end first. The screen closes then.")
