from typing import Any

import pytest

from agentbatch.runs import events as e
from agentbatch.runs.log_lines import VERIFIED_ALONE, cause_text, failure_text, line
from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.state.task_state import TaskState
from agentbatch.usage import Usage
from tests.support.run_events import NOON, run_started

pytestmark = pytest.mark.usefixtures("utc")


class Log:
    """Folds events and collects their lines."""

    def __init__(self, *, verbose: bool = False, tasks: int = 2, total: int | None = None) -> None:
        self.state = RunState()
        self.verbose = verbose
        self.lines: list[str] = []
        info = run_started(
            tasks if total is None else total,
            version="0.1.0",
            coder_endpoint="https://me:hunter2@api.example.com/v1",
            evaluator_endpoint="http://127.0.0.1:80/v1",
            warnings=["no sandbox: install\nbubblewrap"],
        )
        self.at(0, info)
        for index in range(tasks):
            queued = e.TaskQueued(
                task_id=f"t{index + 1}", index=index, dir=f"d{index + 1}", first_prompt="p", max_iterations=10
            )
            self.at(0, queued)

    def at(self, second: float, event: e.Event) -> list[str]:
        event = event.model_copy(update={"ts": NOON + second})
        self.state.apply(event)
        new = line(event, self.state, self.verbose)
        self.lines += new
        return new


def call(task: str = "t1", **changes: object) -> e.ModelCallFinished:
    fields: dict[str, object] = {
        "task_id": task,
        "role": "coder",
        "model": "m-coder",
        "usage": Usage(input=12_345, cached=10_000, output=678, calls=1),
        "cost": 0.0012,
        "cost_input": 0.0009,
        "cost_output": 0.0003,
        "latency": 4.06,
        "attempts": 1,
    }
    return e.ModelCallFinished.model_validate(fields | changes)


def test_header_names_models_and_hosts_but_no_password() -> None:
    assert Log().lines == [
        "[12:00:00] agentbatch 0.1.0, run r1: 2 tasks, parallel, 3 at a time",
        "[12:00:00] coder m-coder at api.example.com/v1",
        "[12:00:00] evaluator m-judge at 127.0.0.1:80/v1",
        "[12:00:00] sandbox none",
        "[12:00:00] warning: no sandbox: install bubblewrap",
    ]


def test_header_says_loudly_that_no_ai_is_at_work() -> None:
    log = Log()
    assert log.state.info is not None
    assert "[12:00:01] rehearsal model: scripted replies, no AI" in log.at(
        1, log.state.info.model_copy(update={"rehearsal": True})
    )


def test_a_task_from_start_to_end() -> None:
    log = Log()
    log.lines.clear()
    log.at(1, e.TaskStarted(task_id="t2"))
    log.at(1, e.IterationStarted(task_id="t2", iteration=1, prompt="p"))
    log.at(2, e.ModelCallStarted(task_id="t2", role="coder", model="m-coder"))
    log.at(5, call("t2"))
    log.at(5, e.ToolCalled(task_id="t2", call_id="c", tool="bash", summary="ls"))
    log.at(6, e.ToolFinished(task_id="t2", call_id="c", tool="bash", ok=True, exit_code=0, seconds=1.0))
    log.at(7, e.ModelCallStarted(task_id="t2", role="evaluator", model="m-judge", purpose="judge"))
    log.at(42.25, e.TaskFinished(task_id="t2", status="completed", reason="accepted"))
    log.at(43, e.RunFinished())
    assert log.lines == [
        "[12:00:01] task 2/2: started: t2 in d2",
        "[12:00:07] task 2/2: iteration 1 evaluating",
        "[12:00:42] task 2/2: completed in 41.2s [1/2], 1 iteration, "
        "tokens 12,345 in/678 out/1 call, cost $0.0009 in/$0.0003 out",
        "[12:00:43] run interrupted: 1 completed, 1 not finished",
    ]


def test_a_quota_that_comes_back() -> None:
    log = Log()
    used_up = e.QuotaUsedUp(endpoint="h", until=NOON + 9_000, cause="h answered 429 for model m: no.")
    assert log.at(0, used_up) == [
        "[12:00:00] asleep until 14:30 (2:30:00): the quota of h is used up",
        "[12:00:00]   h answered 429 for model m: no.",
    ]
    later = e.QuotaUsedUp(endpoint="other", until=NOON + 3 * 86_400)
    assert log.at(1, later) == [
        "[12:00:01] asleep until Mon 18 Jan 12:00 (71:59:59): the quota of other is used up"
    ]
    assert log.state.asleep is not None
    assert log.state.asleep.endpoint == "h", "the first that is back"
    assert log.at(9_001, e.QuotaReturned(endpoint="h")) == [
        "[14:30:01] the quota of h should be back: going on"
    ]
    log.at(9_002, e.RunFinished(interrupted=True))
    assert log.state.asleep is None


def test_verify_and_judge_announce_an_evaluation_once() -> None:
    log = Log()
    log.lines.clear()
    log.at(0, e.TaskStarted(task_id="t1"))
    log.at(0, e.IterationStarted(task_id="t1", iteration=3, prompt="p"))
    log.at(1, e.CheckStarted(task_id="t1", command="pytest"))
    log.at(2, e.CheckFinished(task_id="t1", command="pytest", exit_code=0, tail="", seconds=1.0))
    log.at(2, e.ModelCallStarted(task_id="t1", role="evaluator", model="m-judge", purpose="judge"))
    assert log.lines[1:] == ["[12:00:01] task 1/2: iteration 3 evaluating"]


def test_what_comes_before_the_work_and_each_evaluation_have_one_line() -> None:
    log = Log(tasks=1)
    log.lines.clear()
    log.at(0, e.TaskStarted(task_id="t1"))
    for _ in range(2):
        log.at(1, e.ModelCallStarted(task_id="t1", role="evaluator", model="m", purpose="checks"))
    log.at(2, e.CheckStarted(task_id="t1", kind="tests", command="pytest"))
    for iteration in (1, 2):
        log.at(3, e.IterationStarted(task_id="t1", iteration=iteration, prompt="p"))
        log.at(4, e.CheckStarted(task_id="t1", kind="sound", command="main.py compiles"))
        log.at(4, e.CheckStarted(task_id="t1", kind="own", command="test -s out"))
        for _ in range(2):
            log.at(5, e.ModelCallStarted(task_id="t1", role="evaluator", model="m", purpose="judge"))
    assert [text[len("[12:00:00] task 1/1: ") :] for text in log.lines[1:]] == [
        "the evaluator prepares its checks",
        "iteration 1 evaluating",
        "iteration 2 evaluating",
    ]


def test_a_check_is_named_by_its_kind_and_a_verdict_counts_them() -> None:
    log = Log(tasks=1, verbose=True)
    log.lines.clear()
    script = "python3 -c 'import prog\nassert prog.f(1) == 2'"
    log.at(
        1,
        e.CheckFinished(
            task_id="t1", kind="own", command=script, exit_code=1, tail="1 != 2\n", seconds=0.2,
            requirement="f counts up",
        ),
    )  # fmt: skip
    log.at(
        1,
        e.CheckFinished(
            task_id="t1",
            kind="example",
            command="the examples that the task states",
            exit_code=0,
            tail="",
            seconds=0.1,
        ),
    )
    checks = [
        e.CheckLine(kind="sound", command="the form of the changed files", passed=True),
        e.CheckLine(kind="own", command=script, passed=False, requirement="f counts up", note="Found wrong"),
    ]
    log.at(
        2,
        e.VerdictReached(
            task_id="t1", iteration=1, accepted=False, decided_by="checks", verdict=None, checks=checks, decision="done"
        ),
    )  # fmt: skip
    assert [text[len("[12:00:00] task 1/1: ") :] for text in log.lines] == [
        "evaluator's check failed 0.2s: f counts up",
        "  1 != 2",
        "check passed 0.1s: the examples that the task states",
        "verdict 1: a check failed, not accepted (the judge was not asked)",
        "  checks: form passed; evaluator's check failed",
        "  failed evaluator's check: f counts up (Found wrong)",
    ]


def test_a_verdict_shows_each_quote_and_where_it_stands() -> None:
    log = Log(tasks=1, verbose=True)
    quote = {"ref": "C2", "quote": "8", "where": "command, exit 0: python3 prog.py"}
    verdict = {
        "requirements": [
            {"text": "it prints 8", "met": True, "evidence": [quote]},
            {"text": "it stops", "met": False, "evidence": [{"ref": "", "quote": "it hangs", "where": ""}]},
        ]
    }
    lines = log.at(
        1, e.VerdictReached(task_id="t1", iteration=1, accepted=False, verdict=verdict, decision="done")
    )
    assert [text[len("[12:00:00] task 1/1: ") :] for text in lines] == [
        "verdict 1: not accepted",
        '  met: it prints 8: "8" [C2] command, exit 0: python3 prog.py',
        "  not met: it stops: it hangs",
    ]


@pytest.mark.parametrize(
    ("decided_by", "says"), [("verify", True), ("judge", False), ("checks", False), ("gates", False)]
)
def test_only_what_verify_alone_decided_says_so(decided_by: e.DecidedBy, says: bool) -> None:
    log = Log(tasks=1)
    log.at(
        1,
        e.VerdictReached(
            task_id="t1", iteration=1, accepted=True, decided_by=decided_by, verdict=None, decision="done"
        ),
    )
    lines = log.at(2, e.TaskFinished(task_id="t1", status="completed", reason="accepted"))
    assert any(VERIFIED_ALONE in text for text in lines) is says


@pytest.mark.parametrize(
    ("finished", "first"),
    [
        ({"status": "error", "reason": "model_error", "error": "500\nfrom server"}, "error: 500 from server"),
        (
            {"status": "timeout", "reason": "max_iterations", "error": "tests fail"},
            "iteration limit reached (10): tests fail",
        ),
        ({"status": "timeout", "reason": "max_iterations"}, "iteration limit reached (10)"),
        ({"status": "timeout", "reason": "wall_clock"}, "timeout: time limit reached"),
        ({"status": "error", "reason": "internal_error"}, "error: internal error"),
    ],
)
def test_a_failure_says_why_before_its_finish_line(finished: dict[str, str], first: str) -> None:
    log = Log()
    log.at(0, e.TaskStarted(task_id="t1"))
    lines = log.at(9, e.TaskFinished.model_validate({"task_id": "t1", **finished}))
    assert lines == [
        f"[12:00:09] task 1/2: {first}",
        f"[12:00:09] task 1/2: {finished['status']} in 9.0s [1/2], 0 iterations, "
        "tokens 0 in/0 out/0 calls, cost $0.00 in/$0.00 out",
    ]


def test_a_cancelled_task_has_only_its_finish_line() -> None:
    log = Log()
    log.at(0, e.TaskStarted(task_id="t1"))
    lines = log.at(1, e.TaskFinished(task_id="t1", status="cancelled", reason="cancelled"))
    assert [text[21:37] for text in lines] == ["cancelled in 1.0"]


def test_unknown_prices_and_estimates_are_marked() -> None:
    log = Log()
    log.at(0, e.TaskStarted(task_id="t1"))
    usage = Usage(input=1_000, output=10, calls=1, estimated=True)
    log.at(1, call(usage=usage, cost=None, cost_input=None, cost_output=None))
    lines = log.at(2, e.TaskFinished(task_id="t1", status="completed", reason="accepted"))
    assert lines[0].endswith("tokens ≈1,000 in/≈10 out/1 call, cost –")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            "No progress in 3 iterations: the same files, the same things missing. A check failed: make.",
            "A check failed: make. (no progress in 3 iterations: the same files, the same things missing)",
        ),
        ("Not accepted after 2 iterations. A. B.", "A. B. (not accepted after 2 iterations)"),
        ("Not accepted after 2 iterations. ", "Not accepted after 2 iterations. "),
        ("The server is gone. Try again.", "The server is gone. Try again."),
        ("", ""),
    ],
)
def test_the_cause_comes_first(error: str, told: str) -> None:
    assert failure_text(error) == told


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        # The reason has a place of its own.
        (
            {
                "status": "timeout",
                "reason": "max_iterations",
                "error": "Not accepted after 2 iterations. A. B.",
            },
            "A. B.",
        ),
        ({"status": "error", "reason": "blocked", "error": "blocked: no key"}, "blocked: no key"),
        ({"status": "timeout", "reason": "wall_clock", "error": "Too late."}, "Too late."),
        ({"status": "cancelled", "reason": "superseded"}, "another attempt was completed first"),
        ({"status": "completed", "reason": "accepted"}, ""),
        ({"status": "timeout", "reason": "max_iterations"}, "iteration limit reached"),
    ],
)
def test_why_a_task_is_not_completed(fields: dict[str, Any], told: str) -> None:
    task = TaskState(id="t", index=0, dir="", first_prompt="p", max_iterations=2)
    assert cause_text(task.model_copy(update=fields)) == told


def test_a_refused_iteration_is_told_in_one_line() -> None:
    log = Log()
    log.lines.clear()
    fields: dict[str, Any] = {"task_id": "t1", "iteration": 1, "verdict": None}
    log.at(1, e.VerdictReached(**fields, accepted=False, refusals=["it\nfails", "b"], decision="continue"))
    log.at(2, e.VerdictReached(**fields, accepted=False, refusals=["it fails"], decision="done"))
    log.at(3, e.VerdictReached(**fields, accepted=True, decision="done"))
    assert log.lines == ["[12:00:01] task 1/2: iteration 1 not accepted: it · fails"]


def test_a_filtered_run_never_says_task_7_of_2() -> None:
    log = Log(tasks=0, total=2)
    for index in (6, 8):
        name = f"t{index}"
        log.at(0, e.TaskQueued(task_id=name, index=index, dir="d", first_prompt="p", max_iterations=10))
    assert log.at(1, e.TaskStarted(task_id="t6")) == ["[12:00:01] task 7: started: t6 in d"]
    done = log.at(2, e.TaskFinished(task_id="t6", status="completed", reason="accepted"))
    assert "[1/2]" in done[0]


def test_verbose_shows_every_step() -> None:
    log = Log(verbose=True)
    log.lines.clear()
    log.at(0, e.IterationStarted(task_id="t1", iteration=1, prompt="Write a parser.\nThen test it."))
    log.at(1, e.RateLimited(task_id="t1", role="coder", wait=45.0, cause="429 from the endpoint"))
    log.at(2, e.ModelCallRetried(task_id="t1", role="coder", attempt=1, wait=5.0, error="HTTP 503"))
    log.at(3, call(attempts=3))
    log.at(3, call(usage=Usage(), cost=None, attempts=4, error="gave up"))
    log.at(4, e.ToolCalled(task_id="t1", call_id="c", tool="bash", summary="pytest -q"))
    log.at(
        5,
        e.ToolFinished(
            task_id="t1", call_id="c", tool="bash", ok=False, exit_code=1, seconds=1.2, summary="exit 1"
        ),
    )
    log.at(
        6, e.ToolFinished(task_id="t1", call_id="d", tool="edit_file", ok=False, seconds=0.0, summary="no")
    )
    log.at(7, e.CheckFinished(task_id="t1", command="make", exit_code=2, tail="a\nboom\n\n", seconds=0.3))
    log.at(7, e.CheckFinished(task_id="t1", command="make", exit_code=None, tail="", seconds=9.0))
    log.at(
        8,
        e.VerdictReached(
            task_id="t1",
            iteration=1,
            accepted=False,
            verdict=None,
            refusals=["verify failed", "no README"],
            tampering=["tests/test_a.py"],
            decision="continue",
            follow_up="\nFix the build.\nThen write it.",
        ),
    )
    assert [text[len("[12:00:00] task 1/2: ") :] for text in log.lines] == [
        "iteration 1: Write a parser.",
        "coder: waiting about 0:45: 429 from the endpoint",
        "coder: attempt 1 failed, next in 5.0s: HTTP 503",
        "coder call: 12,345 in (10,000 cached), 678 out, 4.1s, 2 retries, $0.0012",
        "coder call failed after 4.1s, 3 retries: gave up",
        "bash: pytest -q",
        "bash: exit 1, 1.2s",
        "edit_file: failed, 0.0s: no",
        "verify exit 2 0.3s: make",
        "  boom",
        "verify out of time 9.0s: make",
        "verdict 1: not accepted",
        "  because: verify failed",
        "  because: no README",
        "  follow-up: Fix the build.",
        "changed tests or protected files: tests/test_a.py",
    ]


HOSTILE = "\x1b[2J\x1b]0;owned\x07evil\u202e\r\n[12:00:00] task 1/1: completed" + "x" * 100_000


HOSTILE_QUOTES = [{"ref": HOSTILE, "quote": HOSTILE, "where": HOSTILE}] * 100


@pytest.mark.parametrize("verbose", [False, True])
def test_no_foreign_text_forges_a_line_or_reaches_the_terminal(verbose: bool) -> None:
    log = Log(verbose=verbose, tasks=0)
    events: list[e.Event] = [
        e.TaskQueued(task_id=HOSTILE, index=0, dir=HOSTILE, first_prompt=HOSTILE, max_iterations=10),
        e.TaskStarted(task_id=HOSTILE),
        e.IterationStarted(task_id=HOSTILE, iteration=1, prompt=HOSTILE),
        e.ModelCallRetried(task_id=HOSTILE, role="coder", attempt=1, wait=1.0, error=HOSTILE),
        e.RateLimited(task_id=HOSTILE, role="coder", wait=1.0, cause=HOSTILE),
        call(HOSTILE, error=HOSTILE),
        e.ToolCalled(task_id=HOSTILE, call_id="c", tool=HOSTILE, summary=HOSTILE),
        e.ToolFinished(task_id=HOSTILE, call_id="c", tool=HOSTILE, ok=True, seconds=0.0, summary=HOSTILE),
        e.CheckFinished(task_id=HOSTILE, command=HOSTILE, exit_code=1, tail=HOSTILE, seconds=0.0),
        e.VerdictReached(
            task_id=HOSTILE,
            iteration=1,
            accepted=False,
            verdict={"requirements": [{"text": HOSTILE, "met": True, "evidence": HOSTILE_QUOTES}] * 100},
            refusals=[HOSTILE] * 100,
            tampering=[HOSTILE] * 100,
            checks=[e.CheckLine(kind="own", command=HOSTILE, passed=False, requirement=HOSTILE, note=HOSTILE)]
            * 100,
            decision="continue",
            follow_up=HOSTILE,
        ),
        e.Notice(text=HOSTILE),
        e.Paused(cause=HOSTILE),
        e.TaskFinished(task_id=HOSTILE, status="error", reason="model_error", error=HOSTILE),
        e.RunFinished(error=HOSTILE),
    ]
    for event in events:
        new = log.at(0, event)
        assert len(new) < 30
        for text in new:
            assert text.isprintable()
            assert text.startswith("[12:00:00] ")
            assert len(text) < 700
    assert len(log.lines) >= (20 if verbose else 8)


def test_tokens_that_come_have_a_line_in_the_verbose_form_only() -> None:
    event = e.ModelCallProgressed(task_id="t1", role="coder", tokens=1212, seconds=18.0)
    assert Log(verbose=True).at(18, event) == ["[12:00:18] task 1/2: coder: generating ≈1,212 tokens, 0:18"]
    assert Log(verbose=False).at(18, event) == []


def test_a_task_that_never_began_has_no_figures() -> None:
    log = Log(tasks=3)
    log.at(1, e.TaskStarted(task_id="t1"))
    end = {"status": "cancelled", "reason": "interrupted", "resumable": True}
    assert log.at(2, e.TaskFinished.model_validate({"task_id": "t2", **end})) == []
    assert [text[11:38] for text in log.at(2, e.TaskFinished.model_validate({"task_id": "t1", **end}))] == [
        "task 1/3: cancelled: the ru",
        "task 1/3: cancelled in 1.0s",
    ]
    skipped = {"task_id": "t3", "status": "skipped", "reason": "dependency_failed", "error": "It needs t1."}
    assert log.at(3, e.TaskFinished.model_validate(skipped)) == ["[12:00:03] task 3/3: skipped: It needs t1."]


@pytest.mark.parametrize(
    ("coder", "files", "rules", "told"),
    [
        ("builtin", ["AGENTS.md", "a.md"], "AGENTS.md", "given with the task: AGENTS.md, a.md"),
        ("pi", ["AGENTS.md"], "AGENTS.md", "AGENTS.md is left to pi, who reads it itself"),
        (
            "pi",
            ["../AGENTS.md", "a.md"],
            "../AGENTS.md",
            "given with the task: a.md; ../AGENTS.md is left to pi, who",
        ),
        ("pi", ["a.md"], "", "given with the task: a.md"),
    ],
)
def test_what_a_coder_reads_itself_is_not_given(coder: str, files: list[str], rules: str, told: str) -> None:
    log = Log(tasks=0)
    log.at(1, e.TaskQueued(task_id="t", index=0, dir="d", first_prompt="p", max_iterations=3, coder=coder))
    (line,) = log.at(2, e.ProjectRead(task_id="t", files=dict.fromkeys(files, "x"), rules=rules))
    assert told in line
