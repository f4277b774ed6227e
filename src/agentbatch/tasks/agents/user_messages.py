"""What the user says to a task under way, on its way to the coder."""

from collections.abc import Callable, Sequence

from agentbatch.runs import events as e
from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.state.task_state import Said


class UserMessages:
    """One task's. Told once: what `take` and `prompt` give, the coder has heard from then on; whoever calls them stores
    a message or a prompt with it before anything is awaited, so that a kill finds both or neither."""

    def __init__(
        self,
        task_id: str,
        state: RunState,
        emit: Callable[[e.Event], None],
        worded: Callable[[Sequence[str]], str],
    ) -> None:
        """`worded`: several messages as a coder is told them."""
        self._task_id = task_id
        self._state = state
        self._emit = emit
        self._worded = worded

    @property
    def said(self) -> tuple[str, ...]:
        """All of it, heard or not."""
        return tuple(one.text for one in self._state.said_to(self._task_id))

    @property
    def waiting(self) -> bool:
        """The coder has not heard all of it."""
        return bool(self._rest)

    def take(self) -> str:
        """What the coder has not heard; empty: nothing."""
        rest = self._rest
        if not rest:
            return ""
        self._emit(e.UserHeard(task_id=self._task_id, upto=rest[-1].seq))
        return self._told([one.text for one in rest])

    def heard(self, known: str = "") -> str:
        """For a conversation that has not got it: what the coder has heard, but for what stands in `known` as
        paragraphs of its own."""
        heard = self._state.said_to(self._task_id)[: -len(self._rest) or None]
        return self._told([one.text for one in heard if f"\n\n{one.text}\n\n" not in f"\n\n{known}\n\n"])

    def prompt(self, prompt: str, *, fresh: bool) -> str:
        """The next prompt, with what the coder has to be told; `fresh`: in a new conversation."""
        before = self.heard() if fresh else ""
        return "\n\n".join(part for part in (prompt, before, self.take()) if part)

    def after(self, task: str, known: str) -> str:
        """The task as it was written and what was said since, for a coder that remembers neither."""
        return "\n\n".join(part for part in (task, self.heard(known)) if part)

    @property
    def _rest(self) -> Sequence[Said]:
        return self._state.unheard(self._task_id)

    def _told(self, said: Sequence[str]) -> str:
        return self._worded(said) if said else ""


def no_messages() -> UserMessages:
    """Nobody says anything."""
    return UserMessages("", RunState(), lambda event: None, lambda said: "")
