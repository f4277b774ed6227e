"""A run that is over and in which everything has happened that a results file tells of."""

from typing import Any

from agentbatch.runs import events as e
from agentbatch.runs.state.run_state import RunState
from agentbatch.usage import Usage
from tests.support.run_events import NOON, run_started

VERDICT: dict[str, Any] = {
    "requirements": [
        {"text": "parses dates", "met": True, "evidence": "tests/test_dates.py passes"},
        {"text": "parses times", "met": False, "evidence": "no code for it"},
    ],
    "missing": ["times are not parsed"],
    "complete": False,
    "blocked": False,
    "score": 0.5,
    "follow_up_prompt": "Parse times too.",
}


def a_finished_run(*, answer: str = "It is done.", run_id: str = "20270115-120000-ab12") -> RunState:
    """Tasks `parser` (completed on the second try), `csv` (model error, two models, one without a price), `primes`
    (its checks failed, a test was changed), `docs` (skipped)."""
    state = RunState()

    def at(second: float, event: e.Event) -> None:
        state.apply(event.model_copy(update={"ts": NOON + second}))

    at(
        0,
        run_started(
            4, run_id=run_id, sandbox="bubblewrap", prompts_digest="d1", warnings=["no limit is set"]
        ),
    )
    for index, name in enumerate(("parser", "csv", "primes", "docs")):
        prompt = f"Write {name}.\nWith tests."
        at(0, e.TaskQueued(task_id=name, index=index, dir=name, first_prompt=prompt, max_iterations=5))
    for name in ("parser", "csv", "primes"):
        at(1, e.TaskStarted(task_id=name))
        at(1, e.IterationStarted(task_id=name, iteration=1, prompt="p"))
        at(
            9,
            _call(
                name,
                "coder",
                "m-coder",
                Usage(input=12_000, cached=9_000, output=600, reasoning=100, calls=1),
            ),
        )
    at(12, _call("parser", "evaluator", "m-judge", Usage(input=900, output=80, calls=1), cost=0.005))
    at(
        12,
        _verdict(
            "parser",
            1,
            verdict=VERDICT,
            refusals=["one requirement is not met"],
            follow_up="Parse times too.",
        ),
    )
    at(13, e.IterationStarted(task_id="parser", iteration=2, prompt="Parse times too."))
    accepted = VERDICT | {"missing": [], "complete": True, "score": 1.0}
    at(20, _verdict("parser", 2, accepted=True, verdict=accepted))
    at(
        21,
        _end(
            "parser",
            "completed",
            "accepted",
            last_response=answer,
            last_evaluation="All met.",
            changed_files=4,
        ),
    )
    at(22, _call("csv", "coder", "m-big", Usage(input=500, output=20, calls=1, estimated=True), cost=None))
    at(31, _end("csv", "error", "model_error", error="HTTP 500 (request 8f3a11): try again"))
    at(40, e.CheckFinished(task_id="primes", command="pytest -q", exit_code=1, tail="1 failed", seconds=2.0))
    at(
        40,
        _verdict(
            "primes",
            1,
            decided_by="verify",
            refusals=["pytest -q: exit 1"],
            tampering=["tests/test_primes.py"],
        ),
    )
    at(61, _end("primes", "timeout", "max_iterations", error="one test fails", branch="agentbatch/r/primes"))
    at(61, _end("docs", "skipped", "dependency_failed"))
    at(61, e.Notice(text="the endpoint has no prefix cache"))
    at(100, e.RunFinished())
    return state


def _call(task: str, role: str, model: str, usage: Usage, cost: float | None = 0.03) -> e.ModelCallFinished:
    return e.ModelCallFinished.model_validate(
        {
            "task_id": task,
            "role": role,
            "model": model,
            "purpose": "judge" if role == "evaluator" else "code",
            "usage": usage,
            "cost": cost,
            "cost_input": cost and cost / 4,
            "cost_output": cost and cost * 3 / 4,
            "latency": 2.0,
            "attempts": 1,
        }
    )


def _verdict(task: str, iteration: int, **how: Any) -> e.VerdictReached:
    fields = {
        "task_id": task,
        "iteration": iteration,
        "accepted": False,
        "verdict": None,
        "decision": "done" if how.get("accepted") else "continue",
    }
    return e.VerdictReached.model_validate(fields | how)


def _end(task: str, status: str, reason: str, **how: Any) -> e.TaskFinished:
    return e.TaskFinished.model_validate({"task_id": task, "status": status, "reason": reason} | how)
