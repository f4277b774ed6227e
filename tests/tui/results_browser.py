"""The results browser under test."""

from pathlib import Path

from textual.pilot import Pilot

from agentbatch.tui.app import AgentbatchApp
from agentbatch.tui.screens.results import ResultsScreen
from agentbatch.tui.widgets.results_table import ResultsTable
from tests.support.run_events import NOON
from tests.support.screens import until


def browser(base: Path, *, ascii_only: bool = False) -> AgentbatchApp:
    return AgentbatchApp(lambda app: app.results_screen(base), ascii_only=ascii_only, now=lambda: NOON)


def listed(app: AgentbatchApp) -> list[str]:
    """The lines of the list."""
    return [str(option.prompt) for option in app.screen.query_one(ResultsTable).options]


async def ready(pilot: Pilot[int], lines: int) -> None:
    app = pilot.app
    assert isinstance(app, AgentbatchApp)
    await until(pilot, lambda: isinstance(app.screen, ResultsScreen) and len(listed(app)) == lines)


async def choose(pilot: Pilot[int], name: str) -> None:
    """The cursor goes to the line with this name."""
    app = pilot.app
    assert isinstance(app, AgentbatchApp)
    (place,) = [n for n, line in enumerate(listed(app)) if name in line]
    await pilot.press("home", *["down"] * place)
    assert app.screen.query_one(ResultsTable).highlighted == place
