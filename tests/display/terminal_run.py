"""A short run in the rich display, for test_display_terminal.py: `python terminal_run.py TASKS` waits for Enter
between its scenes, so that the test can look at the screen."""

import sys
from pathlib import Path

from agentbatch.display.display import make_display
from agentbatch.display.reports.summary import Summary
from agentbatch.runs import events as e
from agentbatch.runs.state.run_state import RunState
from agentbatch.usage import Usage

NOON = 1_800_014_400.0


def main(tasks: int) -> None:
    clock = NOON
    state = RunState()
    display = make_display("auto", verbose=False, out=sys.stdout, err=sys.stderr, now=lambda: clock)

    def emit(second: float, event: e.Event) -> None:
        event = event.model_copy(update={"ts": NOON + second})
        state.apply(event)
        display.on_event(event, state)

    display.open()
    info = e.RunStarted(
        run_id="20270115-120000-ab12",
        version="0.1.0",
        mode="parallel",
        max_concurrent=3,
        total_tasks=tasks,
        coder_model="rehearsal-coder",
        evaluator_model="rehearsal-evaluator",
        coder_endpoint="http://127.0.0.1:1/v1",
        evaluator_endpoint="http://127.0.0.1:1/v1",
        rehearsal=True,
        sandbox="bubblewrap",
    )
    emit(0, info)
    names = [f"task-{n}" for n in range(tasks)]
    names[1] = "整理\x1b[2J[bold red]数据"
    for n, name in enumerate(names):
        queued = e.TaskQueued(task_id=name, index=n, dir=f"d{n}", first_prompt="p", max_iterations=10)
        emit(0, queued)
    for name in names[:3]:
        emit(0, e.TaskStarted(task_id=name))
        emit(0, e.IterationStarted(task_id=name, iteration=1, prompt="p"))
    emit(0, e.ModelCallStarted(task_id=names[0], role="coder", model="rehearsal-coder"))
    emit(20, e.ModelCallRetried(task_id=names[0], role="coder", attempt=2, wait=1.0, error="HTTP 503"))
    emit(21, e.ModelCallSent(task_id=names[0], role="coder", attempt=3))
    emit(1, e.ToolCalled(task_id=names[1], call_id="c", tool="bash", summary="make"))
    emit(2, e.ModelCallStarted(task_id=names[2], role="coder", model="rehearsal-coder"))
    emit(3, e.RateLimited(task_id=names[2], role="coder", wait=83.0, cause="rate limit (429)"))
    clock = NOON + 41
    sys.stdin.readline()

    usage = Usage(input=12_000, cached=8_000, output=345, calls=3)
    done = e.ModelCallFinished(
        task_id=names[0],
        role="coder",
        model="rehearsal-coder",
        usage=usage,
        cost=None,
        latency=4.0,
        attempts=3,
    )
    emit(41, done)
    emit(42, e.TaskFinished(task_id=names[0], status="completed", reason="accepted"))
    failed = e.TaskFinished(task_id=names[1], status="error", reason="model_error", error="HTTP 500\x1b[2J")
    emit(43, failed)
    sys.stdin.readline()

    emit(50, e.RunFinished(interrupted=True))
    display.close(Summary(state, [], Path("results.json"), Path("runs/r1"), 130))


if __name__ == "__main__":
    main(int(sys.argv[1]))
