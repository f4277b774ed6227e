import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agentbatch.config import DisplayName
from agentbatch.display.display import NoDisplay, make_display
from agentbatch.display.json import JsonDisplay
from agentbatch.display.plain import PlainDisplay
from agentbatch.display.reports.summary import Summary
from agentbatch.display.rich import RichDisplay
from agentbatch.display.writer import Writer
from agentbatch.runs import events as e


class Terminal(io.StringIO):
    """A stream that says it is a terminal. It has no size of its own, so it is 80 x 24 by default."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


class AsciiTerminal(Terminal):
    encoding = "ascii"


@pytest.mark.parametrize(
    ("name", "stream", "term", "display"),
    [
        ("auto", Terminal(), "xterm-256color", RichDisplay),
        ("auto", Terminal(), "dumb", PlainDisplay),
        ("auto", AsciiTerminal(), "xterm", PlainDisplay),
        ("auto", io.StringIO(), "xterm", PlainDisplay),
        ("plain", Terminal(), "xterm", PlainDisplay),
        ("rich", io.StringIO(), "dumb", RichDisplay),
        ("json", Terminal(), "xterm", JsonDisplay),
        ("none", Terminal(), "xterm", NoDisplay),
    ],
)
def test_choose_display(name: DisplayName, stream: io.StringIO, term: str, display: type) -> None:
    chosen = make_display(name, verbose=False, out=stream, err=io.StringIO(), environ={"TERM": term})
    assert type(chosen) is display


def whole_run(make: Callable[..., Any], name: DisplayName, out: io.StringIO, **options: Any) -> io.StringIO:
    """Shows a run of two tasks, one of which fails; returns what went to stderr."""
    err = io.StringIO()
    environ = {"TERM": "xterm-256color", **options.pop("environ", {})}
    display = make_display(
        name, verbose=options.pop("verbose", False), out=out, err=err, environ=environ, now=lambda: 0.0
    )
    display.open()
    run = make(["parser", "整理[bold]\x1b[31m"], display)
    run.start("parser", 1)
    run.call("parser", 4)
    run.at(5, e.ModelCallStarted(task_id="parser", role="evaluator", model="m-judge", purpose="judge"))
    run.finish("parser", 11)
    run.start("整理[bold]\x1b[31m", 11)
    run.finish("整理[bold]\x1b[31m", 12, status="error", reason="model_error", error="HTTP 500\x1b[2J")
    run.at(13, e.RunFinished())
    display.close(Summary(run.state, [], Path("results.json"), Path("runs/r1"), 1))
    return err


def test_plain_prints_the_lines_and_the_summary(story: Callable[..., Any]) -> None:
    out = io.StringIO()
    err = whole_run(story, "plain", out)
    lines = out.getvalue().splitlines()
    assert lines[4:13] == [
        "[12:00:01] task 1/2: started: parser in work/0",
        "[12:00:05] task 1/2: iteration 1 evaluating",
        "[12:00:11] task 1/2: completed in 10.0s [1/2], 1 iteration, "
        "tokens 12,000 in/600 out/1 call, cost $0.0100 in/$0.0200 out",
        "[12:00:11] task 2/2: started: 整理[bold] in work/1",
        "[12:00:12] task 2/2: error: HTTP 500",
        "[12:00:12] task 2/2: error in 1.0s [2/2], 1 iteration, "
        "tokens 0 in/0 out/0 calls, cost $0.00 in/$0.00 out",
        "[12:00:13] run finished: 1 completed, 1 error",
        "",
        "Summary of run 20270115-120000-ab12",
    ]
    assert lines[-3:] == [
        "Log          runs/r1/run.log",
        "Review       agentbatch show 2 --run 20270115-120000-ab12  (--diff: changes)",
        "Retry with   agentbatch resume 20270115-120000-ab12 --retry-failed",
    ]
    assert err.getvalue() == ""


def test_plain_verbose_adds_the_steps(story: Callable[..., Any]) -> None:
    out = io.StringIO()
    whole_run(story, "plain", out, verbose=True)
    call = "[12:00:04] task 1/2: coder call: 12,000 in (9,000 cached), 600 out, 4.0s, $0.0300\n"
    assert call in out.getvalue()


def test_plain_folds_on_a_terminal(story: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    out = Terminal()
    whole_run(story, "plain", out)
    assert max(map(len, out.getvalue().splitlines())) <= 80
    assert "1 iteration,\n           tokens 12,000 in" in out.getvalue()
    assert "\x1b" not in out.getvalue()


def test_json_prints_two_records_and_nothing_else(story: Callable[..., Any]) -> None:
    out = io.StringIO()
    err = whole_run(story, "json", out)
    launch, done = map(json.loads, out.getvalue().splitlines())
    assert (launch["type"], launch["run_id"], launch["mode"], launch["tasks"]) == (
        "launch",
        "20270115-120000-ab12",
        "parallel",
        2,
    )
    assert (done["type"], done["exit_code"], done["run_folder"]) == ("done", 1, "runs/r1")
    assert done["failedList"] == [
        {"id": "整理[bold]\x1b[31m", "reason": "model_error", "error": "HTTP 500\x1b[2J"}
    ]
    assert out.getvalue().isascii()
    assert "\x1b" not in out.getvalue()
    assert err.getvalue() == ""


def test_json_verbose_keeps_stdout_clean(story: Callable[..., Any]) -> None:
    out = io.StringIO()
    err = whole_run(story, "json", out, verbose=True)
    assert len(out.getvalue().splitlines()) == 2
    assert "task 1/2: coder call" in err.getvalue()


def long_call(make: Callable[..., Any], name: DisplayName, out: io.StringIO, *, verbose: bool) -> str:
    """Two tasks whose calls tell their tokens twice a second for 70 and 20 seconds; what both outputs show of it."""
    err = io.StringIO()
    display = make_display(
        name, verbose=verbose, out=out, err=err, environ={"TERM": "xterm"}, now=lambda: 0.0
    )
    display.open()
    run = make(["a", "b"], display)
    for task, length in (("a", 70), ("b", 20), ("a", 35)):
        run.start(task)
        run.at(0, e.ModelCallStarted(task_id=task, role="coder", model="m-coder"))
        for half in range(2, 2 * length):
            told = e.ModelCallProgressed(task_id=task, role="coder", tokens=half, seconds=half / 2)
            run.at(100 * (length == 35) + half / 2, told)
    display.close(None)
    return "".join(
        f"{line}\n" for line in (out.getvalue() + err.getvalue()).splitlines() if "generating" in line
    )


def test_plain_verbose_tells_rarely_that_tokens_come(story: Callable[..., Any]) -> None:
    assert long_call(story, "plain", io.StringIO(), verbose=True).splitlines() == [
        "[12:00:30] task 1/2: coder: generating ≈60 tokens, 0:30",
        "[12:01:00] task 1/2: coder: generating ≈120 tokens, 1:00",
        "[12:02:10] task 1/2: coder: generating ≈60 tokens, 0:30",
    ]


@pytest.mark.parametrize(
    ("name", "out", "verbose"),
    [
        ("plain", io.StringIO(), False),
        ("json", io.StringIO(), True),
        ("rich", io.StringIO(), True),
    ],
)
def test_no_other_output_that_stays_does(
    story: Callable[..., Any], name: DisplayName, out: io.StringIO, verbose: bool
) -> None:
    assert long_call(story, name, out, verbose=verbose) == ""


def test_none_is_silent(story: Callable[..., Any]) -> None:
    out = io.StringIO()
    assert whole_run(story, "none", out).getvalue() == out.getvalue() == ""


def test_rich_off_a_terminal_is_lines_without_escapes(story: Callable[..., Any]) -> None:
    out = io.StringIO()
    whole_run(story, "rich", out)
    assert "\x1b" not in out.getvalue()
    assert "[12:00:12] task 2/2: error: HTTP 500\n" in out.getvalue()
    assert "Summary of run" in out.getvalue()


@pytest.mark.parametrize(("environ", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_no_color_takes_the_colours_only(
    story: Callable[..., Any], environ: dict[str, str], coloured: bool
) -> None:
    out = Terminal()
    whole_run(story, "rich", out, environ=environ)
    assert ("\x1b[32m" in out.getvalue()) is coloured
    assert "整理[bold]" in out.getvalue()
    assert "\x1b[?25h" in out.getvalue()  # the cursor is back
    assert "\x1b[31m in" not in out.getvalue()


def test_a_face_that_is_closed_without_a_summary_gives_the_terminal_back(story: Callable[..., Any]) -> None:
    out = Terminal()
    display = make_display(
        "rich", verbose=False, out=out, err=io.StringIO(), environ={"TERM": "xterm"}, now=lambda: 0.0
    )
    display.open()
    story(["a"], display)
    display.close(None)
    assert out.getvalue().removesuffix("\x1b[?2026l").endswith("\x1b[?25h")


def test_writer_survives_what_its_encoding_lacks() -> None:
    raw = io.BytesIO()
    out = Writer(io.TextIOWrapper(raw, encoding="ascii"))
    out.line("✓ 整理 cost – ≈1 … █▌")
    assert raw.getvalue() == b"+ ?? cost - ~1 . #|\n"


def test_writer_is_silent_after_the_reader_went_away() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    stream = open(write_end, "w", encoding="utf-8")  # noqa: SIM115
    out = Writer(stream)
    out.line("nobody reads this")
    assert out.broken
    out.line("nor this")
    with pytest.raises(BrokenPipeError):
        stream.close()


def test_choosing_plain_does_not_load_rich() -> None:
    code = (
        "import sys, agentbatch.display.display as f\n"
        "f.make_display('plain', verbose=False, out=sys.stdout, err=sys.stderr)\n"
        "print([m for m in ('rich', 'textual', 'openai', 'genai_prices') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
