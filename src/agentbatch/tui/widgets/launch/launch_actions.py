"""The buttons of the launch screen, and what is being done."""

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Static

from agentbatch.tui.lines.launch import Earlier, earlier_line


class LaunchActions(Vertical):
    """Buttons with the ids start, resume and init; others hear them."""

    DEFAULT_CSS = """
    LaunchActions {
        height: auto;
        padding: 0 1;
        & Horizontal { height: 1; }
        & #earlier { display: none; }
        & #init { display: none; }
        & Button { min-width: 10; margin-right: 2; }
        & Static { width: 1fr; text-wrap: nowrap; text-overflow: ellipsis; }
    }
    """

    def compose(self) -> ComposeResult:
        with Horizontal(id="earlier"):
            yield Button("Resume", id="resume", compact=True)
            yield Static(id="earlier-text", markup=False)
        with Horizontal():
            yield Button("Start", id="start", variant="primary", compact=True, disabled=True)
            yield Button("Make the files of `agentbatch init`", id="init", compact=True)
            yield Static(id="doing", markup=False)

    def show(self, doing: str, *, can_start: bool, busy: bool) -> None:
        """`doing` is harmless; `busy`: an engine is on its way."""
        self.query_one("#doing", Static).update(doing)
        self.query_one("#start", Button).disabled = busy or not can_start
        self.query_one("#resume", Button).disabled = busy

    def show_empty(self, empty: bool) -> None:
        """Offer the files to start from, where there are none."""
        init = self.query_one("#init")
        if empty and not init.display:
            self.call_after_refresh(init.focus)
        init.display = empty
        self.query_one("#start").display = not empty

    def show_earlier(self, earlier: Earlier | None) -> None:
        """The run before this one; None: there is none."""
        text = earlier_line(earlier) if earlier is not None else ""
        self.query_one("#earlier").display = bool(text)
        self.query_one("#resume").display = earlier is not None and earlier.can_resume
        self.query_one("#earlier-text", Static).update(text)
