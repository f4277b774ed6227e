"""The scripts of the benchmarks: any number of tasks share one."""

from agentbatch.rehearsal.script import Say, Script, ScriptedCall

SHORT_PROMPT = "bench task "
"""Prefix of a short benchmark task's prompt: two coder steps, and what the evaluator asks."""

MAX_STEPS = 12
"""Coder steps that `stepped_prompt` can ask for."""

LONG_PROMPT = "long bench task "
"""Prefix of a long one's prompt: twenty coder steps and one evaluation."""

LONG_STEPS = 20

REPOSITORY_PROMPT = "repository bench task "
"""Prefix of the prompt of a task in a repository (benchmarks/repositories.py): four coder steps and one evaluation."""

FILE_LINES = 40
"""Lines that each writing step of the long script writes, about 2 kB: the size of a small module."""


def stepped_prompt(steps: int) -> str:
    """Prefix of the prompt of a task of so many coder steps, each but the last of which writes a file."""
    return f"bench task of {steps} steps "


def benchmark_scripts() -> list[Script]:
    """One for all prompts that begin with SHORT_PROMPT, LONG_PROMPT, REPOSITORY_PROMPT, or as `stepped_prompt` says."""
    finish = Say(calls=[ScriptedCall(name="finish", arguments={"summary": "The files are written."})])
    short = [_write("note.txt", "Written by the benchmark.\n"), finish]
    long = [step for number in range(1, LONG_STEPS // 2 + 1) for step in _write_and_read(number)]
    verdict = Say(verdict=_accept())
    stepped = [
        Script(
            prompt=stepped_prompt(steps),
            match="prefix",
            coder=[*(_write(f"note_{n}.txt", "Written.\n") for n in range(1, steps)), finish],
            evaluator=[verdict],
        )
        for steps in range(1, MAX_STEPS + 1)
    ]
    return [
        *stepped,
        Script(prompt=SHORT_PROMPT, match="prefix", coder=short, evaluator=[verdict]),
        Script(
            prompt=LONG_PROMPT, match="prefix", coder=[*long[: LONG_STEPS - 1], finish], evaluator=[verdict]
        ),
        Script(
            prompt=REPOSITORY_PROMPT, match="prefix", coder=[*_change_a_file(), finish], evaluator=[verdict]
        ),
    ]


def _change_a_file() -> list[Say]:
    """Read, change and add one, as most tasks in a repository do at the least."""
    read = Say(calls=[ScriptedCall(name="read_file", arguments={"path": "README.md"})])
    return [
        read,
        _write("README.md", "# Benchmark\n\nChanged.\n"),
        _write("notes/added.txt", "Written by the benchmark.\n"),
    ]


def _write_and_read(number: int) -> list[Say]:
    path = f"part_{number}.txt"  # prose: a program would have to be run before the end
    lines = [
        f"VALUE_{line} = {number * line}  # part {number} of the benchmark\n" for line in range(FILE_LINES)
    ]
    return [
        _write(path, "".join(lines)),
        Say(calls=[ScriptedCall(name="read_file", arguments={"path": path})]),
    ]


def _write(path: str, content: str) -> Say:
    return Say(calls=[ScriptedCall(name="write_file", arguments={"path": path, "content": content})])


def _accept() -> dict[str, object]:
    requirement = {"text": "Write the files.", "met": True, "evidence": "@"}
    return {
        "requirements": [requirement],
        "missing": [],
        "complete": True,
        "blocked": False,
        "score": 1.0,
        "follow_up_prompt": "",
    }
