"""Whole runs on endpoints that stream, badly too."""

import asyncio
from typing import Any

import pytest

from agentbatch.rehearsal.script import Fault, Say, Script, ScriptedCall
from agentbatch.rehearsal.streaming import Streaming
from agentbatch.runs import events as e
from agentbatch.runs.store.database import open_database
from tests.support.clocks import MovedClock
from tests.tasks.run.verdicts import COMPLETE

PROGRAM = "print('世界 🙂')\n" * 40
WRITE = ScriptedCall(name="write_file", arguments={"path": "hello.py", "content": PROGRAM})
RUN = ScriptedCall(name="bash", arguments={"command": "cat hello.py"})
FINISH = ScriptedCall(name="finish", arguments={"summary": "Done."})
TASK = {"id": "t", "dir": "work", "first_prompt": "Do it."}


def script(*faults: Fault) -> Script:
    return Script(
        prompt="Do it.",
        coder=[
            *faults,
            Say(content="I write it.", calls=[WRITE, RUN], reasoning="A program."),
            *faults,
            Say(calls=[FINISH]),
        ],
        evaluator=[*faults, Say(verdict=COMPLETE)],
    )


@pytest.mark.parametrize(
    "streaming",
    [
        Streaming(),
        Streaming(ignored=True),
        Streaming(usage=False),
        Streaming(done=False),
        Streaming(keep_alive=0.01),
        Streaming(bytes_per_write=7, keep_alive=0.02),
    ],
)
async def test_a_task_completes_however_the_endpoint_streams(run_tasks: Any, streaming: Streaming) -> None:
    ran = await run_tasks([TASK], [script()], server={"streaming": streaming, "latency": 0.05})
    assert ran.task.status == "completed"
    assert (ran.folder / "work" / "hello.py").read_text(encoding="utf-8") == PROGRAM
    assert (ran.task.attempts, ran.task.usage.calls) == (3, 3)
    assert ran.task.usage.estimated is not streaming.usage
    assert all(request["stream"] for request in ran.coder_requests())


FAULTS = [
    Fault(kind="cut"),
    Fault(kind="short"),
    Fault(kind="error", status=502, message="Provider disconnected"),
]


@pytest.mark.parametrize("fault", FAULTS)
async def test_every_cut_is_a_retry_and_nothing_short_is_taken_as_whole(run_tasks: Any, fault: Fault) -> None:
    ran = await run_tasks(
        [TASK],
        [script(fault.model_copy(update={"times": 2}))],
        server={"streaming": Streaming(bytes_per_write=50)},
    )
    assert ran.task.status == "completed"
    assert (ran.folder / "work" / "hello.py").read_text(encoding="utf-8") == PROGRAM
    retried = ran.of_type(e.ModelCallRetried)
    assert [(event.role, event.attempt) for event in retried] == [
        ("coder", 1),
        ("coder", 2),
        ("coder", 1),
        ("coder", 2),
        ("evaluator", 1),
        ("evaluator", 2),
    ]
    assert ran.task.attempts == 9
    assert (ran.task.steps, ran.task.usage.calls) == (2, 3)
    told = "\n".join(str(request["messages"]) for request in ran.coder_requests())
    assert "I look at the files" not in told, "the beginning of a cut answer is in no history"


@pytest.mark.slow
async def test_a_stall_is_noticed_by_its_silence(run_tasks: Any) -> None:
    stalled = Script(
        prompt="Do it.",
        coder=[Fault(kind="stall"), Say(calls=[WRITE, RUN]), Say(calls=[FINISH])],
        evaluator=[Say(verdict=COMPLETE)],
    )
    ran = await run_tasks([TASK], [stalled], request_timeout="3")
    assert ran.task.status == "completed"
    assert "no data for 3 s" in ran.of_type(e.ModelCallRetried)[0].error


@pytest.mark.parametrize(
    ("refuse", "streams"),
    [(["stream_options"], True), (["stream"], False), (["whole"], True)],
)
async def test_what_the_endpoint_refuses_is_told_once(
    run_tasks: Any, refuse: list[str], streams: bool
) -> None:
    ran = await run_tasks([TASK], [script()], server={"refuse": refuse})
    assert ran.task.status == "completed"
    assert bool(ran.coder_requests()[-1].get("stream")) is streams
    # One of each model's: what the coder's cannot do the evaluator's still may.
    assert len(ran.of_type(e.Notice)) == (0 if refuse == ["whole"] else 2)


async def test_streams_are_not_asked_for_when_switched_off(run_tasks: Any) -> None:
    ran = await run_tasks([TASK], [script()], environ={"AGENTBATCH_NO_STREAM": "1"})
    assert ran.task.status == "completed"
    assert not any("stream" in request for request in ran.coder_requests() + ran.evaluator_requests())


@pytest.mark.slow
async def test_tokens_are_shown_while_they_come_and_stored_nowhere(run_tasks: Any) -> None:
    shown: list[int] = []
    ran = await run_tasks(
        [TASK],
        [script()],
        server={"streaming": Streaming(tokens_per_second=100)},
        on_event=lambda event, state: shown.extend(task.activity.tokens for task in state.tasks.values()),
    )
    assert ran.task.status == "completed"
    told = ran.of_type(e.ModelCallProgressed)
    assert told, "some 200 tokens of a program take two seconds"
    assert all(event.seconds >= 1.0 for event in told)
    assert max(shown) == max(event.tokens for event in told) > 50
    assert ran.task.activity.tokens == 0
    connection = open_database(ran.outcome.run_folder / "run.db")
    kinds = {kind for (kind,) in connection.execute("SELECT type FROM events")}
    connection.close()
    assert "model_call_finished" in kinds
    assert "model_call_progressed" not in kinds


@pytest.mark.slow
async def test_a_call_that_the_clock_interrupts_is_on_the_bill_as_an_estimate(run_tasks: Any) -> None:
    script = Script(prompt="Do it.", coder=[Say(content="never", delay=600)])
    clock = MovedClock()

    def run_out(event: e.Event, _: Any) -> None:
        if isinstance(event, e.ModelCallStarted):
            asyncio.get_running_loop().call_later(0.5, clock.move_on, 61)

    tasks = [{"id": "t", "dir": "work", "first_prompt": "Do it.", "timeout": 60}]
    ran = await run_tasks(tasks, [script], on_event=run_out)
    assert (ran.task.status, ran.task.reason) == ("timeout", "wall_clock")
    stats = ran.results["results"][0]["result"]["tokenStats"]
    assert stats["calls"] == 1
    assert stats["promptTokens"] > 100
    assert stats["estimated"] is True
