"""The coders that a plan's tasks name, checked before anything is spent."""

from agentbatch.errors import UserError
from agentbatch.tasks.coders.chosen.kind import ChosenKind
from agentbatch.tasks.coders.makers import CoderKinds
from agentbatch.tasks.spec.attempts import with_attempts
from agentbatch.tasks.spec.plan import Plan
from agentbatch.text import clip, list_names, nearest


def choose_coders(plan: Plan, kinds: CoderKinds) -> ChosenKind:
    """Raises UserError."""
    asked: dict[str, str] = {}
    for task in with_attempts(plan).tasks:
        for name in task.coders:
            asked.setdefault(name, f"Task {task.id}")
    for name, who in asked.items():
        check_named(kinds, name, who)
    return ChosenKind({name: kinds.get(name) for name in asked})


def check_named(kinds: CoderKinds, name: str, who: str) -> None:
    """That there is such a coder. `who` asks for it. Raises UserError."""
    if name in kinds.entries:
        return
    near = nearest(name, kinds.entries)
    told = f"did you mean {near!r}?" if near else f"there are {list_names(list(kinds.entries), 20)}."
    raise UserError(f"{who}: there is no coder {clip(name, 60)!r}; {told}")
