"""The keys of the app: one table, from which bindings, footer, help, command palette and docs/tui.md are made."""

from collections.abc import Iterable
from typing import Literal, NamedTuple

from textual.binding import Binding, BindingType

Place = Literal["everywhere", "run", "results", "comparison", "launch"]
"""Where a key works: on every screen, on the run screen, in the results browser, on a comparison of runs, on the
launch screen."""


class Key(NamedTuple):
    """One key, or several for the same (`keys` as Textual names them, with commas)."""

    action: str
    """The screen's or app's `action_…`."""
    keys: str
    shown: str
    """As a person reads it."""
    label: str
    """For the footer: a word or two."""
    text: str
    """For help and palette: a sentence without its full stop."""
    place: Place
    steers: bool = False
    """It sends a command to the engine: not there for viewers."""
    footer: bool = False
    """It stands in the footer."""


KEYS: tuple[Key, ...] = (
    Key("help", "question_mark,f1", "?", "Help", "Show the keys", "everywhere", footer=True),
    Key("quit", "q,ctrl+q,ctrl+c", "q", "Quit", "Leave; asks what becomes of a run", "everywhere", footer=True),
    Key("start", "ctrl+s,f5", "ctrl+s", "Start", "Start the batch", "launch", footer=True),
    Key("results", "f2", "F2", "Results", "Look at earlier runs and results files", "launch", footer=True),
    Key("pause_task", "p", "p", "Pause", "Pause the chosen task, or resume it", "run", True, True),
    Key("pause_all", "P", "P", "Pause all", "Pause the whole run, or resume it", "run", True),
    Key("cancel_task", "c", "c", "Cancel", "Cancel the chosen task (asks)", "run", True, True),
    Key("cancel_all", "C", "C", "Cancel all", "Stop the run: nothing new starts (asks)", "run", True),
    Key("retry_task", "r", "r", "Retry", "Run the chosen task again from its start", "run", True, True),
    Key("say", "t", "t", "Say", "Say something to the coder of the chosen task", "run", True),
    Key("more", "plus,equals_sign", "+", "More", "One more task at the same time", "run", True),
    Key("fewer", "minus", "-", "Fewer", "One task fewer at the same time", "run", True),
    Key("filter", "slash", "/", "Filter", "Filter tasks: state:error cost:>1 text", "run", footer=True),
    Key("search", "ctrl+f,s", "s", "Search", "Search in the transcript (n next, N previous)", "run"),
    Key("search_next", "n", "n", "Next", "The next place that the search found", "run"),
    Key("search_previous", "N", "N", "Previous", "The place before", "run"),
    Key("sort", "S", "S", "Sort", "Sort: by task, failed, costliest, longest first", "run"),
    Key("failed(1)", "right_square_bracket", "]", "Failed", "The next task that has failed", "run", footer=True),
    Key("failed(-1)", "left_square_bracket", "[", "Failed before", "The failed task before", "run"),
    Key("close_input", "escape", "esc", "Back", "Back: close what is open, then to the screen before", "run"),
    Key("follow", "f", "f", "Follow", "Follow what happens: the end of the transcript", "run", footer=True),
    Key("zoom", "z", "z", "Zoom", "Give the details the whole screen, and back", "run", footer=True),
    Key("tab('transcript')", "1", "1", "Transcript", "What was said and done", "run"),
    Key("tab('files')", "2", "2", "Files", "What changed in the directory", "run"),
    Key("tab('verdicts')", "3", "3", "Verdicts", "What the evaluator said", "run"),
    Key("tab('usage')", "4", "4", "Usage", "Tokens and cost", "run"),
    Key("compare_models", "m", "m", "Models", "What the same tokens cost on other models", "run"),
    Key("bake_off", "b", "b", "Compared", "What the models solved that the run compares", "run"),
    Key("copy", "y", "y", "Copy", "Copy what is shown of the task", "run"),
    Key("folder_path", "o", "o", "Folder", "Show and copy the path of the task's directory", "run"),
    Key("export", "e", "e", "Export", "Write a report: HTML, Markdown, CSV, JUnit ...", "run"),
    Key("open", "enter", "enter", "Open", "Open the run or the file", "results", footer=True),
    Key("mark", "space", "space", "Mark", "Mark for a comparison", "results", footer=True),
    Key("compare", "c", "c", "Compare", "Show two marked runs side by side", "results", footer=True),
    Key("export", "e", "e", "Export", "Write a report: HTML, Markdown, CSV, JUnit ...", "results", footer=True),
    Key("refresh", "r", "r", "Refresh", "Refresh the list", "results"),
)  # fmt: skip


def keys_of(place: Place, *, control: bool = True) -> list[Key]:
    """Those of a place; `control` False: without those that steer."""
    return [key for key in KEYS if key.place == place and (control or not key.steers)]


def bindings(keys: Iterable[Key]) -> list[BindingType]:
    """For a screen's or the app's BINDINGS."""
    return [
        Binding(
            key.keys,
            key.action,
            key.label,
            key_display=key.shown,
            show=key.footer,
            tooltip=key.text,
            id=f"{key.place}.{key.action}",
        )
        for key in keys
    ]
