"""The fields of the launch screen: how a batch runs, and with which models."""

from collections.abc import Iterator, Mapping

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input, Static

from agentbatch.config import REHEARSAL_CODER, REHEARSAL_EVALUATOR, Settings
from agentbatch.text import clip, harmless
from agentbatch.tui.lines.glyphs import Glyphs
from agentbatch.tui.lines.launch import LABELS, role_note
from agentbatch.tui.reading.launch_choices import REHEARSED, Choices
from agentbatch.tui.widgets.radio_row import RadioRow

NUMBERS = ("parallel", "max_iterations")
REHEARSAL_SAYS = {
    "coder_model": REHEARSAL_CODER,
    "coder_endpoint": "no endpoint: scripted replies",
    "evaluation_model": REHEARSAL_EVALUATOR,
    "evaluation_base_url": "no endpoint: scripted replies",
}
MAX_LENGTH = 500
"""Characters of a field. No model and no address is longer."""


class LaunchForm(Vertical):
    """Holds what was typed; others say what is wrong with it."""

    DEFAULT_CSS = """
    LaunchForm {
        height: auto;
        padding: 0 1;
        & Horizontal { height: 1; }
        & .label { width: 11; color: $text-muted; }
        & .beside { width: auto; padding: 0 1 0 2; color: $text-muted; }
        & Input { width: 1fr; background: $boost; }
        & Input:focus { background: $primary 30%; }
        & Input.number { width: 7; }
        & Input.wrong { color: $text-error; text-style: underline; }
        & .hidden { display: none; }
    }
    """

    class Changed(Message):
        """A field has another value."""

    def __init__(self, settings: Settings, shown: Mapping[str, str], glyphs: Glyphs) -> None:
        """`shown`: what to open with, by setting."""
        super().__init__()
        self._settings = settings
        self._opened = dict(shown)
        self._glyphs = glyphs

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield _label("mode")
            yield RadioRow(
                ("parallel", "serial", "test"),
                self._opened["mode"],
                mark="*" if self._glyphs.ascii else "•",
                id="mode",
            )
            yield Static(LABELS["parallel"], classes="beside", id="parallel-label")
            yield self._input("parallel")
        with Horizontal():
            yield _label("max_iterations")
            yield self._input("max_iterations")
            yield Static("turns a task", classes="beside")
            yield Static(LABELS["coder_name"], classes="beside")
            yield self._input("coder_name")
        for model, endpoint in (
            ("coder_model", "coder_endpoint"),
            ("evaluation_model", "evaluation_base_url"),
        ):
            with Horizontal():
                yield _label(model)
                yield from self._role(model, endpoint)

    def _role(self, model: str, endpoint: str) -> Iterator[Widget]:
        note = role_note(self._settings, model)
        if note:
            yield Static(note, markup=False)
            return
        yield self._input(model)
        yield Static("at", classes="beside")
        yield self._input(endpoint)

    def _input(self, field: str) -> Input:
        return Input(
            harmless(self._opened[field]),
            placeholder=_placeholder(field, self._settings),
            id=field,
            classes="number" if field in NUMBERS else "",
            max_length=MAX_LENGTH,
            select_on_focus=False,
            compact=True,
        )

    def on_mount(self) -> None:
        self._show_concurrency()

    @property
    def values(self) -> Choices:
        """What is in the fields, by setting; roles that have none are left out."""
        return {
            "mode": self.query_one(RadioRow).value,
            **{field.id or "": field.value for field in self.query(Input)},
        }

    def show_unset(self, settings: Settings) -> None:
        """What holds where nothing is typed: a key may have come into .env."""
        for field in self.query(Input):
            field.placeholder = _placeholder(field.id or "", settings)

    def mark(self, wrong: str) -> None:
        """Mark the field that something is wrong with; empty: none."""
        for field in self.query(Input):
            field.set_class(field.id == wrong, "wrong")

    @on(RadioRow.Changed)
    def _mode_changed(self, event: RadioRow.Changed) -> None:
        event.stop()
        self._show_concurrency()
        self.post_message(self.Changed())

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Changed())

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        self.screen.focus_next()

    def _show_concurrency(self) -> None:
        hidden = self.query_one(RadioRow).value != "parallel"
        self.query_one("#parallel").set_class(hidden, "hidden")
        self.query_one("#parallel-label").set_class(hidden, "hidden")


def _placeholder(field: str, settings: Settings) -> str:
    if field in NUMBERS:
        return field.removeprefix("max_")
    if field not in REHEARSED:
        return "as set"
    return REHEARSAL_SAYS[field] if settings.rehearsal else clip(str(getattr(settings, field)), MAX_LENGTH)


def _label(field: str) -> Static:
    return Static(LABELS[field], classes="label")
