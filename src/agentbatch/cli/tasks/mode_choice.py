"""Asking for the mode on a terminal, when neither a flag nor a variable names it."""

from typing import TYPE_CHECKING, Any, TextIO

from agentbatch.config import TEST_MODE_TASKS

if TYPE_CHECKING:
    from agentbatch.tasks.spec.plan import Plan


def choose_mode(plan: "Plan", parallel: int, source: TextIO, out: TextIO) -> dict[str, Any]:
    """The chosen `mode` and `parallel`. Raises KeyboardInterrupt at the end of input."""
    count = len(plan.tasks)
    out.write(f"{count} task{'s' if count != 1 else ''} to run. How?\n\n")
    out.write("  1  serial    one after another\n")
    out.write(f"  2  parallel  {parallel} at the same time\n")
    first = (
        f"the first {TEST_MODE_TASKS} only"
        if count > TEST_MODE_TASKS
        else "all of them: there are no more than 3"
    )
    out.write(f"  3  test      {first}\n\n")
    names = {"1": "serial", "2": "parallel", "3": "test", "": "parallel"}
    names |= {name: name for name in ("serial", "parallel", "test")}
    while (mode := names.get(_ask("Mode [2]: ", source, out).lower())) is None:
        out.write("Answer 1, 2 or 3.\n")
    if mode != "parallel":
        return {"mode": mode}
    while True:
        answer = _ask(f"How many at the same time [{parallel}]: ", source, out)
        if not answer:
            return {"mode": mode}
        if answer.isdecimal() and 1 <= int(answer) <= 1000:
            return {"mode": mode, "parallel": int(answer)}
        out.write("Answer with a whole number from 1 to 1000.\n")


def _ask(question: str, source: TextIO, out: TextIO) -> str:
    out.write(question)
    out.flush()
    line = source.readline()
    if not line:
        out.write("\n")
        raise KeyboardInterrupt
    return line.strip()
