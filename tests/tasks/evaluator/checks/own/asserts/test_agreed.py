"""Values of all attempts' evaluators on the work of one of them."""

from pathlib import Path
from typing import Any

from agentbatch.redaction import Redactor
from agentbatch.tasks.evaluator.checks.check import CheckRunner, Work
from agentbatch.tasks.evaluator.checks.own.asserts.agreed import AgreedChecks
from agentbatch.workspace.workspace import Snapshot
from tests.support.workspaces import local_workspace

TASK = "Write double.py with a Python function double(n)."


async def test_values_are_tried_whoever_expects_them(tmp_path: Path) -> None:
    root = tmp_path / "work"
    root.mkdir()
    (root / "double.py").write_text("def double(n):\n    return n * 2 if n < 5 else n\n")
    workspace = local_workspace(root, tmp_path / "outputs", env={"PATH": "/usr/local/bin:/usr/bin:/bin"})
    after = await workspace.snapshot()
    work = Work(1, Snapshot({}), after, CheckRunner("t", lambda _: None, Redactor([]), workspace))
    nobody: Any = None

    def expected(*pairs: tuple[str, str]) -> list[dict[str, str]]:
        return [{"function": "double", "call": call, "value": value} for call, value in pairs]

    known: list[dict[str, Any]] = [
        {"expected": expected(("double(2)", "4"), ("double(7)", "14"))},
        {
            "expected": expected(("double(2)", "4"), ("double(7)", "7"), ("double(1)", "3")),
            "dropped": ["double(1)"],
        },
        {"checks": []},
    ]
    checks = AgreedChecks(nobody, Redactor([]), 5, 30.0, task=TASK, functions=("double",))
    tried = await checks.tried(known, work)
    assert [(one.check, one.passed, one.gave) for one in tried] == [
        ("double(2) == 4", True, "4"),
        ("double(7) == 14", False, "7"),
        ("double(7) == 7", True, "7"),
    ]
    (root / "double.py").unlink()
    tried = await checks.tried(known, Work(1, Snapshot({}), await workspace.snapshot(), work.runner))
    assert [(one.passed, one.gave) for one in tried] == [(None, "")] * 3
