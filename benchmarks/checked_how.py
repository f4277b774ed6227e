"""What is checked how in tasks that are not Python: twelve, done right and wrong, before a judge that accepts all.

    python -m benchmarks.checked_how [--own | --python] [--tasks 1,5] [--keep DIR]
    python -m benchmarks.checked_how --check-tasks

No model: a scripted coder writes the files of benchmarks/other_tasks, runs what one would run to see them, and ends; a
scripted judge calls every work complete, with the best evidence that there is. Everything else is a user's run, without
`verify`: the engine, the evaluator, its checks. One iteration a task. Printed for each work: the checks that ran,
whether it was accepted, and what refused a wrong one; a wrong one that was accepted is left to reading. With `--own`
the evaluator's model, which is a script too, writes the checks that the task file has, as an able model would; without,
it writes none. `--python`: the twelve tasks of benchmarks.competence instead, with their wrong programs.
"""

import argparse
import asyncio
import contextlib
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from agentbatch.api import prepare, run_batch
from agentbatch.config import load_settings
from agentbatch.errors import UserError
from agentbatch.rehearsal.script import Say, Script, ScriptedCall
from agentbatch.rehearsal.server import RehearsalServer
from agentbatch.runs.state.task_state import TaskState, VerdictRecord
from agentbatch.workspace.sandbox.sandbox import choose_sandbox
from benchmarks.competence_tasks import Checker, load_tasks
from benchmarks.other_tasks import OtherTask, Work, check_other_tasks, load_other_tasks, write_files


def script(task: OtherTask, work: Work, own: bool) -> Script:
    """The coder that does this work, and the judge that accepts it."""
    written = [
        ScriptedCall(name="write_file", arguments={"path": path, "content": text})
        for path, text in work.files.items()
    ]
    ran = [ScriptedCall(name="bash", arguments={"command": command}) for command in task.run]
    finish = ScriptedCall(name="finish", arguments={"summary": "Everything is done and tested."})
    return Script(
        prompt=task.prompt,
        coder=[Say(calls=written), Say(calls=ran), Say(calls=[finish])],
        evaluator=[Say(verdict=acceptance(task))],
        checks=[Say(checks=list(task.checks) if own else [])],
    )


def acceptance(task: OtherTask) -> dict[str, object]:
    """All is done, and a quote of what the evidence has (agentbatch.rehearsal.quoting) shows it."""
    met = {"text": f"{task.name} as it was asked for", "met": True, "evidence": "@"}
    return {
        "requirements": [met],
        "missing": [],
        "complete": True,
        "blocked": False,
        "score": 1.0,
        "follow_up_prompt": "",
    }


async def play(works: Sequence[tuple[OtherTask, Work]], folder: Path, own: bool) -> dict[str, TaskState]:
    """A batch of one work of each task, in an empty folder; how each task ended, by its name."""
    entries = [
        {"id": task.name, "dir": task.name, "first_prompt": task.prompt, "max_iterations": 1}
        for task, _ in works
    ]
    (folder / "task.json").write_text(json.dumps({"tasks": entries}), encoding="utf-8")
    for task, _ in works:
        write_files(task.given, folder / task.name)
    async with RehearsalServer([script(task, work, own) for task, work in works]) as server:
        flags = {
            "mode": "parallel",
            "rest_ms": 0,
            "coder_endpoint": server.base_url,
            "evaluation_base_url": server.base_url,
            "coder_model": "rehearsal-coder",
            "evaluation_model": "rehearsal-evaluator",
        }
        settings = load_settings(flags, {"OPENAI_API_KEY": "benchmark"}, folder=folder)
        outcome = await run_batch(prepare(settings, folder=folder))
    return dict(outcome.state.tasks)


def described(work: Work, state: TaskState) -> list[str]:
    """How a work was checked and what came of it, as lines of text."""
    verdict = state.verdicts[-1] if state.verdicts else None
    checks = verdict.checks if verdict else []
    shown = [
        f"{check.kind} ({check.requirement or check.command}) {'ok' if check.passed else 'FAILED'}"
        for check in checks
    ]
    return [
        work.mistake or "right",
        *(f"    {' '.join(line.split())[:150]}" for line in shown or ["no checks"]),
        f"    {_ending(work, state, verdict)}",
    ]


def _ending(work: Work, state: TaskState, verdict: VerdictRecord | None) -> str:
    if verdict is None:
        return f"{state.status}, {state.reason}: {state.error}"
    if verdict.accepted:
        return "accepted: left to reading" if work.mistake else "accepted"
    why = " ".join(" ".join(verdict.refusals).split())[:300]
    return f"refused: {why}" if work.mistake else f"REFUSED, although it is right: {why}"


def checked_how(tasks: Sequence[OtherTask], base: Path, own: bool) -> list[str]:
    """All works of the tasks: a batch of the right ones, of the first wrong ones, and so on."""
    found: dict[str, list[str]] = {}
    counts = {"right": 0, "right accepted": 0, "wrong": 0, "wrong refused": 0}
    for number in range(max(len(task.works) for task in tasks)):
        works = [(task, task.works[number]) for task in tasks if number < len(task.works)]
        folder = base / f"works-{number}"
        folder.mkdir()
        states = asyncio.run(play(works, folder, own))
        for task, work in works:
            state = states[task.name]
            found.setdefault(f"{task.number:>2} {task.name} ({task.kind})", []).extend(described(work, state))
            accepted = state.status == "completed"
            counts["wrong" if work.mistake else "right"] += 1
            counts["wrong refused" if work.mistake else "right accepted"] += accepted != bool(work.mistake)
    rows = [row for title, lines in found.items() for row in (title, *(f"   {line}" for line in lines))]
    return [
        *rows,
        f"right: {counts['right accepted']} of {counts['right']} accepted; "
        f"wrong: {counts['wrong refused']} of {counts['wrong']} refused, the others are left to reading",
    ]


def python_tasks() -> list[OtherTask]:
    """Those of benchmarks.competence, done by a coder that runs its program, which prints nothing."""
    return [
        OtherTask(
            number=task.number,
            name=task.name,
            kind="Python",
            prompt=task.prompt,
            run=[f"python3 {task.file}"],
            hidden=[],
            given={},
            checks=[],
            works=[
                Work("" if place == 0 else f"wrong program {place}", {task.file: program})
                for place, program in enumerate((task.solution, *task.wrong))
            ],
        )
        for task in load_tasks()
    ]


def chosen_tasks(all_tasks: Sequence[OtherTask], numbers: str | None) -> list[OtherTask]:
    """Those of these numbers that this machine can check; names the others."""
    wanted = None if numbers is None else {word.strip().lstrip("0") for word in numbers.split(",")}
    tasks = [task for task in all_tasks if wanted is None or str(task.number) in wanted]
    for task in tasks:
        if task.lacks:
            print(f"{task.name} is skipped: there is no {task.lacks} here")
    tasks = [task for task in tasks if not task.lacks]
    if not tasks:
        raise UserError("--tasks: there is none of these tasks.")
    return tasks


@contextlib.contextmanager
def kept_folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True)
        yield keep.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="checked-how-") as folder:
        yield Path(folder).resolve()


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.checked_how",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--tasks", help="numbers of tasks, comma-separated [all]")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--python", action="store_true", help="the tasks of benchmarks.competence")
    which.add_argument("--own", action="store_true", help="with checks as an able model would write them")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the runs here, in a new folder")
    which.add_argument("--check-tasks", action="store_true", help="only check the tasks by their programs")
    options = parser.parse_args()
    tasks = chosen_tasks(python_tasks() if options.python else load_other_tasks(), options.tasks)
    if options.check_tasks:
        problems = check_other_tasks(tasks, Checker(choose_sandbox("auto")))
        print("\n".join(problems) or "every solution passes its hidden commands, nothing else does")
        return 1 if problems else 0
    with kept_folder(options.keep) as base:
        print("\n".join(checked_how(tasks, base, options.own)))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as error:
        print(f"checked_how: {error}", file=sys.stderr)
        sys.exit(2)
