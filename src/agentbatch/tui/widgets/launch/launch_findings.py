"""What a check has found, above the list of tasks: a problem, or the plan in a line and what should be known."""

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from agentbatch.text import harmless
from agentbatch.tui.lines.glyphs import Glyphs
from agentbatch.tui.lines.launch import Least, notices, plan_line, problem_lines
from agentbatch.tui.reading.launch_check import Findings


class LaunchFindings(Vertical):
    """Shows Findings."""

    DEFAULT_CSS = """
    LaunchFindings {
        height: auto;
        padding: 0 1;
        & #problem { height: auto; max-height: 10; }
        & #plan { height: 1; text-style: bold; text-wrap: nowrap; text-overflow: ellipsis; }
        & #notices { height: auto; max-height: 4; scrollbar-size-vertical: 1; color: $text-warning; }
    }
    """

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__()
        self._glyphs = glyphs
        self._findings = Findings()

    def compose(self) -> ComposeResult:
        yield Static(id="problem")
        yield Static(id="plan", markup=False)
        with VerticalScroll(id="notices"):
            yield Static(id="notices-text", markup=False)

    def on_mount(self) -> None:
        self.show(self._findings)

    def show(self, findings: Findings) -> None:
        """Instead of those before."""
        self._findings = findings
        problem = self.query_one("#problem", Static)
        problem.display = bool(findings.problem or findings.done)
        problem.update(self._problem(findings))
        prepared = findings.prepared
        told = notices(prepared, findings.notes) if prepared is not None else []
        words = [f"! {text}" for text in told]
        self.query_one("#notices").display = bool(words)
        self.query_one("#notices-text", Static).update("\n".join(words))
        self.query_one("#plan").display = prepared is not None
        self.show_least(None)

    def show_least(self, least: Least | None) -> None:
        """What the plan takes; None: not known yet."""
        if self._findings.prepared is not None:
            self.query_one("#plan", Static).update(plan_line(self._findings.prepared, least))

    def _problem(self, findings: Findings) -> Content:
        if findings.done:
            return Content(f"{self._glyphs['completed']} {harmless(findings.done)}")
        lines = problem_lines(findings.problem)
        return Content.styled(f"{self._glyphs['error']} " + "\n  ".join(lines), "$text-error")
