"""Events of a task in which a coder has called tools."""

from typing import Any

from agentbatch.runs import events as e
from agentbatch.usage import Usage


def said(position: int, role: str, content: Any = None, generation: int = 0, **rest: Any) -> e.MessageAdded:
    message = {"role": role, "content": content, **rest}
    return e.MessageAdded(task_id="t", generation=generation, index=position, message=message)


def called(call_id: str, arguments: str = "{}") -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": "bash", "arguments": arguments}}


def answered(model: str, tokens: int, purpose: str = "code", error: str = "") -> e.ModelCallFinished:
    return e.ModelCallFinished.model_validate(
        {
            "task_id": "t",
            "role": "evaluator" if purpose == "judge" else "coder",
            "model": model,
            "purpose": purpose,
            "usage": Usage(input=tokens, calls=0 if error else 1),
            "cost": None,
            "latency": 1.0,
            "attempts": 1,
            "error": error,
        }
    )


def ended(call_id: str, exit_code: int) -> e.ToolFinished:
    return e.ToolFinished(task_id="t", call_id=call_id, tool="bash", ok=True, exit_code=exit_code, seconds=1)


BEGUN = [
    e.IterationStarted(task_id="t", iteration=1, prompt="p"),
    said(0, "system", "rules"),
    said(1, "user", "p"),
    answered("m", 10),
    said(2, "assistant", "first", tool_calls=[called("a"), called("b")]),
    ended("a", 0),
    said(3, "tool", "out a", tool_call_id="a"),
    said(4, "tool", "not run", tool_call_id="b"),
]
