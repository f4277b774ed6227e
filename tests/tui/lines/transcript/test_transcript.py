"""From a run's database to the blocks of a task's transcript."""

import sqlite3
from pathlib import Path

import pytest

from agentbatch.errors import UserError
from agentbatch.runs import events as e
from agentbatch.tasks.coders.builtin import compaction
from agentbatch.tui.lines.transcript.blocks import (
    Block,
    Call,
    Check,
    CoderMessage,
    Compacted,
    End,
    Head,
    Judged,
    Key,
    Note,
    NoteToCoder,
    Thought,
    TitledText,
)
from agentbatch.tui.lines.transcript.transcript import Transcript, compaction_text
from agentbatch.tui.reading.transcript import TranscriptReading
from tests.tui.transcript_run import Talk


def read(talk: Talk) -> list[Block]:
    talk.flush()
    transcript = Transcript()
    TranscriptReading(talk.store.folder.database, talk.task_id).read_on(transcript)
    return transcript.blocks


def kinds(blocks: list[Block]) -> list[str]:
    return [type(block).__name__ for block in blocks]


async def test_an_iteration_in_its_order(tmp_path: Path) -> None:
    talk = Talk(tmp_path)
    talk.begin("Write a.py.")
    first, second = talk.say(
        "I write it.", ("write_file", {"path": "a.py"}), ("bash", {"command": "x"}), reasoning="hm"
    )
    talk.call(first, "write_file", "a.py (1 line)")
    talk.done(first, "write_file", "Wrote a.py.")
    talk.call(second, "bash", "x")
    talk.done(second, "bash", "boom", ok=False, exit_code=3)
    talk.emit(e.CheckStarted(task_id="t0", command="make"))
    talk.emit(e.CheckFinished(task_id="t0", command="make", exit_code=2, tail="no", seconds=1.0))
    talk.verdict(follow_up="Again.")
    talk.prompt("Again.")
    talk.end()
    blocks = read(talk)
    assert kinds(blocks) == [
        "Head", "Thought", "CoderMessage", "Call", "Call", "Check", "Judged", "Head", "End",
    ]  # fmt: skip
    assert blocks[0] == Head(1, 4, "Write a.py.", blocks[0].ts)  # type: ignore[union-attr]
    assert (blocks[1], blocks[2]) == (Thought(Key(0, 2)), CoderMessage(Key(0, 2)))
    assert blocks[3] == Call(
        first, "write_file", "a.py (1 line)", Key(0, 2), Key(0, 3), "done", True, None, 0.25
    )
    assert isinstance(blocks[4], Call)
    assert (blocks[4].answer, blocks[4].ok, blocks[4].exit_code) == (Key(0, 4), False, 3)
    assert blocks[5] == Check("make", "done", 2, "no", 1.0)
    assert blocks[5].failed
    assert isinstance(blocks[7], Head)
    assert blocks[7].prompt == "Again."
    await talk.store.close()


async def test_what_is_under_way_is_running_and_is_ended_by_what_comes(tmp_path: Path) -> None:
    talk = Talk(tmp_path)
    talk.begin("p")
    (call_id,) = talk.say("", ("bash", {"command": "sleep 9"}))
    talk.call(call_id, "bash", "sleep 9")
    talk.flush()
    transcript, reading = Transcript(), TranscriptReading(talk.store.folder.database, "t0")
    assert reading.read_on(transcript)
    assert isinstance(transcript.blocks[-1], Call)
    assert transcript.blocks[-1].stage == "running"
    transcript.touched.clear()
    assert not reading.read_on(transcript)
    talk.done(call_id, "bash", "", exit_code=0)
    talk.flush()
    assert reading.read_on(transcript)
    ended = transcript.blocks[-1]
    assert isinstance(ended, Call)
    assert ended.stage == "done"
    assert transcript.touched == {len(transcript.blocks) - 1}
    await talk.store.close()


async def test_an_interruption_ends_what_was_running(tmp_path: Path) -> None:
    talk = Talk(tmp_path)
    talk.begin("p")
    first, second = talk.say("", ("bash", {"command": "a"}), ("bash", {"command": "b"}))
    talk.call(first, "bash", "a")
    talk.emit(e.CheckStarted(task_id="t0", command="v"))
    talk.end(status="cancelled", reason="interrupted", resumable=True)
    talk.emit(e.TaskRequeued(task_id="t0"))
    talk.emit(e.TaskResumed(task_id="t0"))
    talk.answer(first, "Interrupted: the outcome of this call is unknown.")
    talk.answer(second, "Not run.")
    blocks = read(talk)
    assert kinds(blocks) == ["Head", "Call", "Check", "End", "Note", "Call", "Call"]
    assert [b.stage for b in blocks if isinstance(b, Call | Check)] == [
        "interrupted", "interrupted", "not run", "not run",
    ]  # fmt: skip
    assert "The task resumes" in blocks[4].text  # type: ignore[union-attr]
    await talk.store.close()


async def test_an_answer_to_a_call_under_way_without_an_end_says_that_it_was_interrupted(
    tmp_path: Path,
) -> None:
    talk = Talk(tmp_path)
    talk.begin("p")
    (call_id,) = talk.say("", ("bash", {"command": "a"}))
    talk.call(call_id, "bash", "a")
    talk.answer(call_id, "Interrupted.")
    blocks = read(talk)
    assert kinds(blocks) == ["Head", "Call"]
    assert isinstance(blocks[1], Call)
    assert (blocks[1].stage, blocks[1].answer) == ("interrupted", Key(0, 3))
    await talk.store.close()


async def test_a_summary_repeats_nothing_that_was_shown(tmp_path: Path) -> None:
    talk = Talk(tmp_path)
    talk.begin("p")
    for n in range(9):
        talk.bash(f"step {n}", "x" * 900)
    before = kinds(read(talk))
    messages = talk.conversation.messages
    # As the coder does it: first old outputs are cut, then the middle is summarised.
    talk.conversation.replace(compaction.elide_tool_results(messages))
    talk.emit(e.ModelCallStarted(task_id="t0", role="coder", model="m", purpose="compact"))
    talk.conversation.replace(compaction.summarised(messages, (2, 16), "SUMMARY"))
    talk.emit(e.Notice(task_id="t0", text="Conversation compacted.", warning=False))
    talk.bash("after", "y")
    blocks = read(talk)
    assert kinds(blocks) == [*before, "Compacted", "Note", "Call"]
    compacted = blocks[len(before)]
    assert isinstance(compacted, Compacted)
    assert (compacted.before, compacted.after, compacted.summary) == (20, 7, Key(2, 2))
    assert compaction_text(compacted) == "Conversation summarised: 20 messages became 7"
    last = blocks[-1]
    assert isinstance(last, Call)
    assert last.message == Key(2, 7)
    await talk.store.close()


async def test_cut_outputs_alone_are_no_summary(tmp_path: Path) -> None:
    talk = Talk(tmp_path)
    talk.begin("p")
    for n in range(9):
        talk.bash(f"step {n}", "x" * 900)
    talk.conversation.replace(compaction.elide_tool_results(talk.conversation.messages))
    talk.bash("after", "y")
    *_, compacted, call = read(talk)
    assert isinstance(compacted, Compacted)
    assert isinstance(call, Call)
    assert "cut short" in compaction_text(compacted)
    await talk.store.close()


async def test_a_conversation_begun_anew_is_said_so(tmp_path: Path) -> None:
    talk = Talk(tmp_path)
    talk.begin("p")
    talk.bash("a", "b")
    talk.verdict(follow_up="p, and mend it", anew=True)
    talk.prompt("p, and mend it", anew=True)
    talk.bash("c", "d")
    blocks = read(talk)
    assert kinds(blocks) == ["Head", "Call", "Judged", "Head", "Note", "Call"]
    assert "new conversation" in blocks[4].text  # type: ignore[union-attr]
    await talk.store.close()


async def test_a_task_that_begins_again_is_no_compaction(tmp_path: Path) -> None:
    talk = Talk(tmp_path)
    talk.begin("p")
    talk.bash("a", "b")
    talk.end(status="error", reason="model_error")
    talk.emit(e.TaskQueued(task_id="t0", index=0, dir="d0", first_prompt="p", max_iterations=7))
    again = Talk(tmp_path, store=talk.store)
    again.conversation.generation = 100
    again.begin("p")
    again.bash("a", "b")
    blocks = read(talk)
    assert kinds(blocks) == ["Head", "Call", "End", "Note", "Head", "Call"]
    assert isinstance(blocks[4], Head)
    assert (blocks[4].iteration, blocks[4].most) == (1, 7)
    await talk.store.close()


async def test_words_beside_the_prompts_are_told(tmp_path: Path) -> None:
    talk = Talk(tmp_path)
    talk.begin("p")
    talk.say("What now?")
    talk.nudge("Use a tool.")
    assert kinds(read(talk)) == ["Head", "CoderMessage", "NoteToCoder"]
    assert read(talk)[2] == NoteToCoder(Key(0, 3))
    await talk.store.close()


async def test_what_the_user_says_and_when_the_coder_hears_it(tmp_path: Path) -> None:
    """In the middle of a turn as a message, else in the prompt of an iteration."""
    talk = Talk(tmp_path)
    talk.begin("p")
    talk.emit(e.UserSaid(task_id="t0", text="In German.", by="me"))
    talk.emit(e.UserHeard(task_id="t0", upto=3))
    talk.nudge("The user says: In German.")
    talk.nudge("Use a tool.")
    talk.emit(e.UserHeard(task_id="t0", upto=5))
    talk.prompt("The user says: Again.")
    talk.nudge("Use a tool.")
    found = read(talk)
    assert kinds(found) == ["Head", "TitledText", "NoteToCoder", "NoteToCoder", "Head", "NoteToCoder"]
    assert found[1] == TitledText("me says:", "In German.")
    assert [block.of_user for block in found if isinstance(block, NoteToCoder)] == [True, False, False]
    await talk.store.close()


@pytest.mark.parametrize(
    ("event", "words", "tone"),
    [
        (
            e.ModelCallRetried(task_id="t0", role="coder", attempt=2, wait=5.0, error="HTTP 503"),
            "attempt 2 failed, the next in 5.0s: HTTP 503",
            "warning",
        ),
        (
            e.ModelCallFinished.model_validate(
                {
                    "task_id": "t0",
                    "role": "evaluator",
                    "model": "m",
                    "usage": {},
                    "cost": None,
                    "latency": 0,
                    "attempts": 1,
                    "error": "No quota.",
                }
            ),
            "Evaluator: the call failed: No quota.",
            "error",
        ),
        (e.Paused(task_id="t0", cause="by command"), "Paused: by command", "warning"),
        (e.Resumed(task_id="t0"), "Resumed", "plain"),
        (e.SetUp(task_id="t0", kept=True), "Setup: what an earlier one has made", "plain"),
        (e.Visited(task_id="t0"), "A shell was open in its place, and what was changed is not", "plain"),
        (e.Visited(task_id="t0", seconds=61, changed=[]), "for 1:01, and changed nothing.", "plain"),
        (e.Visited(task_id="t0", seconds=5, changed=["B.py"]), "for 0:05, and changed B.py.", "plain"),
        (e.Notice(task_id="t0", text="Learnt."), "Learnt.", "warning"),
        (e.TurnFinished(task_id="t0", iteration=1, end="stuck", text=""), "in circles", "warning"),
        (
            e.TurnFinished(task_id="t0", iteration=1, end="step_limit", text=""),
            "used up its steps",
            "warning",
        ),
    ],
)
async def test_asides_are_notes(tmp_path: Path, event: e.Event, words: str, tone: str) -> None:
    talk = Talk(tmp_path)
    talk.begin("p")
    talk.emit(event)
    last = read(talk)[-1]
    assert isinstance(last, Note)
    assert words in last.text
    assert last.tone == tone
    await talk.store.close()


async def test_a_follow_up_that_was_never_sent_is_shown(tmp_path: Path) -> None:
    talk = Talk(tmp_path)
    talk.begin("p")
    talk.verdict(follow_up="Mend it.")
    talk.end(status="cancelled", reason="interrupted")
    blocks = read(talk)
    assert kinds(blocks) == ["Head", "Judged", "TitledText", "End"]
    assert isinstance(blocks[1], Judged)
    assert blocks[2] == TitledText("Follow-up prompt, not sent", "Mend it.")
    assert isinstance(blocks[3], End)
    await talk.store.close()


async def test_other_tasks_are_left_out(tmp_path: Path) -> None:
    talk = Talk(tmp_path, tasks=2)
    other = Talk(tmp_path, store=talk.store, task_id="t1")
    talk.begin("mine")
    other.begin("other")
    other.bash("a", "b")
    assert kinds(read(talk)) == ["Head"]
    await talk.store.close()


async def test_single_messages_are_read_by_their_place(tmp_path: Path) -> None:
    talk = Talk(tmp_path)
    talk.begin("p")
    talk.say("lone \udc80 surrogate")
    talk.flush()
    reading = TranscriptReading(talk.store.folder.database, "t0")
    found = reading.messages([Key(0, 2), Key(0, 99)])
    assert list(found) == [Key(0, 2)]
    assert found[Key(0, 2)]["content"] == "lone \udc80 surrogate"
    assert reading.holding("surrogate") == {Key(0, 2)}
    await talk.store.close()


async def test_a_damaged_database_is_told_of(tmp_path: Path) -> None:
    talk = Talk(tmp_path)
    talk.begin("p")
    talk.flush()
    database = talk.store.folder.database
    reading = TranscriptReading(database, "t0")
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE events SET body = '{' WHERE type = 'task_started'")
    with pytest.raises(UserError, match=r"run\.db cannot be read"):
        reading.read_on(Transcript())
    await talk.store.close()
    with pytest.raises(UserError, match="There is no run database"):
        TranscriptReading(tmp_path / "run.db", "t0").read_on(Transcript())


async def test_the_choice_among_attempts(tmp_path: Path) -> None:
    talk = Talk(tmp_path)
    talk.emit(e.CheckStarted(task_id="t0", kind="own", command="the checks of all its attempts"))
    talk.emit(e.AttemptChosen(task_id="t0", attempt="t0@2", why="It was attempt 2."))
    talk.end()
    check, why, which, end = read(talk)
    assert isinstance(check, Check)
    assert (check.stage, check.failed) == ("done", False)
    assert why == Note("It was attempt 2.")
    assert which == Note("t0@2 was taken; its transcript is in its own row.")
    assert isinstance(end, End)
