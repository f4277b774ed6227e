"""What was said of each iteration."""

from pathlib import Path
from typing import Any

import pytest

from agentbatch.runs import events as e
from agentbatch.runs.state.task_state import TaskState, VerdictRecord, VerifyRecord
from agentbatch.tui.lines.glyphs import Glyphs
from agentbatch.tui.lines.render import Line, laid_out
from agentbatch.tui.lines.transcript.verdict_text import MAX_BLOCKS, WHOLE, verdict_blocks
from agentbatch.tui.reading.view import FileView, open_view
from agentbatch.tui.widgets.transcript.block import BlockWidget
from agentbatch.tui.widgets.verdicts_pane import VerdictsPane
from tests.runs.finished_run import VERDICT, a_finished_run
from tests.support.screens import sees, shown, until
from tests.tui.pane_app import HiddenPaneApp, PaneApp, news
from tests.tui.transcript_run import Talk

PLAIN = Glyphs(ascii=True)


def record(iteration: int, **how: Any) -> VerdictRecord:
    fields: dict[str, Any] = {
        "iteration": iteration, "accepted": False, "verdict": None, "refusals": [], "tampering": [], "follow_up": "",
    }  # fmt: skip
    return VerdictRecord.model_validate(fields | how)


def task(*verdicts: VerdictRecord, **how: Any) -> TaskState:
    fields = {
        "id": "t", "index": 0, "dir": "d", "first_prompt": "p", "max_iterations": 10, "started_at": 1.0,
        "iteration": len(verdicts), "verdicts": verdicts, "status": "evaluating",
    }  # fmt: skip
    return TaskState.model_validate(fields | how)


def told(blocks: list[list[Line]]) -> list[list[str]]:
    return [[f"{line.text}{f' | {line.end}' if line.end else ''}" for line in block] for block in blocks]


def test_the_newest_evaluation_comes_first_with_all_that_was_said() -> None:
    first = record(
        1,
        verdict=VERDICT,
        refusals=["one requirement is not met"],
        tampering=["tests/x.py"],
        follow_up="Go\non.",
    )
    second = record(2, decided_by="verify", refusals=["pytest: exit 1"])
    verify = VerifyRecord(command="pytest -q", exit_code=1, tail="1 failed\n")
    way, newest, check, older = told(
        verdict_blocks(task(first, second, last_verify=verify, iteration=3), PLAIN)
    )
    assert way == ["1 x 0.50   2 x    | not accepted", "Iteration 3 is being evaluated~"]
    assert newest == ["Iteration 2 of 10  x Not accepted | verify", "because: pytest: exit 1"]
    assert check == ["Last verify  x exit 1  pytest -q", "1 failed"]
    assert older == [
        "Iteration 1 of 10  x Not accepted | evaluator, score 0.50",
        "+ met: parses dates",
        "tests/test_dates.py passes",
        "x not met: parses times",
        "no code for it",
        "missing: times are not parsed",
        "because: one requirement is not met",
        "! changed tests or protected files: tests/x.py",
        "next prompt:",
        "Go",
        "on.",
    ]


@pytest.mark.parametrize(
    ("state", "lines"),
    [
        (None, ["No task is chosen."]),
        (task(started_at=None, status="queued"), ["This task has not begun."]),
        (task(iteration=0), ["The work has not begun: its checks are prepared~"]),
        (task(iteration=1, status="coding"), ["Iteration 1 is under way~"]),
        (
            task(finished_at=2.0, status="error", reason="model_error", error="HTTP 500\nfor good"),
            ["It has ended, and nothing was evaluated.", "error: model call failed", "HTTP 500", "for good"],
        ),
        (
            task(record(1, accepted=True, decided_by="gates"), finished_at=2.0, status="completed", reason="accepted"),
            ["1 +    | accepted"],
        ),
    ],
)  # fmt: skip
def test_how_it_stands(state: TaskState | None, lines: list[str]) -> None:
    assert told(verdict_blocks(state, PLAIN))[0] == lines


def test_who_decided_and_how_a_check_ended_in_words() -> None:
    blocks = verdict_blocks(task(record(1, decided_by="gates", verdict=VERDICT | {"blocked": True})), PLAIN)
    assert told(blocks)[1][0].endswith("| no evaluator was asked, score 0.50")
    assert "! blocked: the evaluator sees no way to do it" in told(blocks)[1]
    for exit_code, words in ((0, "+ exit 0"), (3, "x exit 3"), (None, "o out of time")):
        check = VerifyRecord(command="make", exit_code=exit_code, tail="")
        assert told(verdict_blocks(task(last_verify=check), PLAIN))[1] == [
            f"Last verify  {words}  make",
            "(no output)",
        ]


def test_a_quote_is_shown_with_the_place_where_it_stands() -> None:
    quotes = [
        {"ref": "C2", "quote": "8", "where": "command, exit 0: python3 prog.py"},
        {"ref": "F1", "quote": "def f", "where": ""},
    ]
    met = {"text": "it prints 8", "met": True, "evidence": quotes}
    unmet = {"text": "it stops", "met": False, "evidence": [{"ref": "", "quote": "it hangs", "where": ""}]}
    blocks = told(verdict_blocks(task(record(1, verdict={**VERDICT, "requirements": [met, unmet]})), PLAIN))
    assert blocks[1][1:6] == [
        "+ met: it prints 8",
        '"8" [C2] command, exit 0: python3 prog.py',
        '"def f" (not found in the evidence)',
        "x not met: it stops",
        "it hangs",
    ]


def test_the_checks_of_an_evaluation_by_kind_and_each_that_failed_by_its_line() -> None:
    checks = [
        e.CheckLine(kind="sound", command="the form of the changed files", passed=True),
        e.CheckLine(kind="own", command="true", passed=True, requirement="f is there"),
        e.CheckLine(kind="tests", command="pytest -q", passed=False, note="failed before too", counts=False),
        e.CheckLine(kind="own", command="set -e", passed=False, requirement="f squares", said="3 != 4"),
        e.CheckLine(kind="look", command="python3 prog.py", passed=False, counts=False),
    ]
    blocks = told(verdict_blocks(task(record(1, decided_by="checks", checks=checks)), Glyphs()))
    assert blocks[1] == [
        "Iteration 1 of 10  ✗ Not accepted | failed: evaluator's check",
        "checks: form ✓ · 2 evaluator's checks: 1 ✓ 1 ✗ · project's tests ○ · 1 look by the evaluator",
        "○ not counted: the project's tests: pytest -q",
        "failed before too",
        "✗ failed: evaluator's check: f squares",
        "3 != 4",
        "· run by the evaluator: python3 prog.py",
    ]
    many = told(verdict_blocks(task(record(1, checks=checks[3:4] * 1_000)), PLAIN))
    assert many[1][1] == "checks: 1,000 evaluator's checks x"
    assert many[1][-1] == "~ 980 more"
    assert len(many[1]) < 50


def test_a_thousand_iterations_are_two_hundred_blocks() -> None:
    many = [
        record(n, verdict=VERDICT, refusals=["not yet"], follow_up="again\n" * 500) for n in range(1, 1_001)
    ]
    verify = VerifyRecord(command="pytest", exit_code=1, tail="x\n" * 5_000)
    blocks = told(verdict_blocks(task(*many, last_verify=verify), PLAIN))
    assert len(blocks) == MAX_BLOCKS
    assert blocks[0][0].startswith("~ 993 x 0.50 ")
    assert blocks[1][0].startswith("Iteration 1000 of 10 ")
    assert len(blocks[1]) < 100
    assert "~ 4,970 lines more ~" in blocks[2]
    assert blocks[-1] == ["~ 803 earlier evaluations are in the transcript."]
    assert blocks[WHOLE + 2][1:] == ["because: not complete: times are not parsed"]
    assert sum(map(len, blocks)) < 4_000


HOSTILE = "[bold]evil[/bold]\x1b[2J\x1b]0;t\x07\u202e\r\nnext\x9b2J"


def test_what_models_and_commands_said_is_plain() -> None:
    verdict: dict[str, object] = {
        "requirements": [{"text": HOSTILE, "met": "yes", "evidence": HOSTILE}, 7, {"met": True}],
        "missing": HOSTILE,
        "score": "high",
        "blocked": [],
    }
    one = record(1, verdict=verdict, refusals=[HOSTILE], tampering=[HOSTILE], follow_up=HOSTILE)
    verify = VerifyRecord(command=HOSTILE, exit_code=1, tail=HOSTILE)
    ended = {"finished_at": 2.0, "status": "error", "reason": "blocked", "error": HOSTILE}
    for state in (task(one, last_verify=verify, **ended), task(last_evaluation=HOSTILE, **ended)):
        for line in [line for block in verdict_blocks(state, Glyphs()) for line in block]:
            for row in laid_out(line, 60, Glyphs()):
                assert row.plain.isprintable()
                assert row.cell_length <= 60
    assert "x not met: [bold]evil[/bold] next" in told(verdict_blocks(task(one), PLAIN))[1]


async def test_a_new_evaluation_comes_to_the_top(tmp_path: Path) -> None:
    talk = Talk(tmp_path)
    talk.begin("Do it.")
    talk.verdict(verdict=VERDICT, refusals=["one requirement is not met"])
    talk.flush()
    view, pane = open_view(talk.store.folder), VerdictsPane()
    async with PaneApp(pane).run_test(size=(78, 30)) as pilot:
        pane.show(view, "t0")
        await sees(pilot, "Iteration 1 of 4  ✗ Not accepted")
        assert "✗ not met: parses times" in shown(pilot.app)
        talk.prompt("Parse times too.")
        talk.flush()
        pane.changed(news(view, "t0"))
        await sees(pilot, "Iteration 2 is under way…")
        talk.emit(e.CheckFinished(task_id="t0", command="make", exit_code=0, tail="fine", seconds=1))
        talk.verdict(True, verdict=VERDICT | {"score": 1.0, "missing": []})
        talk.flush()
        pane.changed(news(view, "t0"))
        await sees(pilot, "Iteration 2 of 4  ✓ Accepted")
        text = shown(pilot.app)
        assert (
            text.index("Iteration 2 of 4")
            < text.index("Last verify  ✓ exit 0  make")
            < text.index("Iteration 1 of 4")
        )
        pane.show(view, None)
        await sees(pilot, "No task is chosen.")
        await until(pilot, lambda: len(pane.query(BlockWidget)) == 1)
    view.close()
    await talk.store.close()


async def test_eighty_by_twenty_four_scrolls(tmp_path: Path) -> None:
    talk = Talk(tmp_path)
    talk.begin("Do it.")
    for _ in range(5):
        talk.verdict(verdict=VERDICT, refusals=["no"], follow_up="Once more.")
    talk.flush()
    view, pane = open_view(talk.store.folder), VerdictsPane()
    async with PaneApp(pane).run_test(size=(78, 11)) as pilot:
        pane.show(view, "t0")
        await sees(pilot, "score 0.50")
        pane.focus()
        await pilot.press("pagedown")
        await until(pilot, lambda: pane.scroll_offset.y > 5)
    view.close()
    await talk.store.close()


async def test_a_hidden_pane_waits_until_it_is_seen(tmp_path: Path) -> None:
    talk = Talk(tmp_path)
    talk.begin("Do it.")
    talk.verdict()
    talk.flush()
    view, pane = open_view(talk.store.folder), VerdictsPane()

    app = HiddenPaneApp(pane)
    async with app.run_test(size=(78, 20)) as pilot:
        await pilot.pause()
        pane.show(view, "t0")
        pane.changed(
            [e.VerdictReached(task_id="t0", iteration=1, accepted=False, verdict=None, decision="done")]
        )
        await pilot.pause(0.3)
        assert len(pane.query(BlockWidget)) == 0
        app.turn_to("pane")
        await sees(pilot, "Iteration 1 of 4")
    view.close()
    await talk.store.close()


async def test_a_results_file_shows_its_verdicts_or_what_was_said_last(tmp_path: Path) -> None:
    state = a_finished_run()
    state.put(
        state.tasks["csv"].model_copy(update={"last_evaluation": "It is\nnearly done.", "verdicts": ()})
    )
    pane = VerdictsPane()
    async with PaneApp(pane).run_test(size=(78, 30)) as pilot:
        view = FileView(tmp_path / "results.json", state)
        pane.show(view, "parser")
        await sees(pilot, "Iteration 2 of 5  ✓ Accepted")
        pane.show(view, "csv")
        await sees(pilot, "Last evaluation")
        assert "  nearly done." in shown(pilot.app)
        assert "HTTP 500 (request 8f3a11): try again" in shown(pilot.app)
