"""Making a long conversation short: which tool results to elide, where to cut. Pure decisions."""

from collections.abc import Sequence

from agentbatch.model.reply import Message

ELIDE_ABOVE = 0.75
"""Share of the context window above which old tool results are elided."""
SUMMARISE_ABOVE = 0.60
"""Share of the window above which, after eliding, the middle is summarised."""
KEEP_STEPS = 4
"""Latest steps whose tool results stay whole."""
KEEP_SHARE = 0.25
"""Share of the window that the kept end of a summarised conversation may fill."""
MIN_ELIDED = 400
"""Characters. Shorter results cost less than the note that would replace them is worth."""


def elide_tool_results(messages: Sequence[Message], keep_steps: int = KEEP_STEPS) -> list[Message]:
    """The conversation with the tool results before the last `keep_steps` steps cut to a note."""
    steps = [place for place, message in enumerate(messages) if message["role"] == "assistant"]
    border = steps[-keep_steps] if len(steps) >= keep_steps else 0
    return [_elided(message) if place < border else message for place, message in enumerate(messages)]


def _elided(message: Message) -> Message:
    content = message.get("content")
    if message["role"] != "tool" or not isinstance(content, str) or len(content) <= MIN_ELIDED:
        return message
    head = content[: MIN_ELIDED // 2]
    note = f"{head}\n[... {len(content) - len(head)} characters of this old result were removed]"
    return {**message, "content": note}


def middle(messages: Sequence[Message], sizes: Sequence[int], budget: int) -> tuple[int, int] | None:
    """The slice to replace by a summary: after the task, up to the longest end of at most `budget` tokens.

    `sizes` are the messages' token estimates. The end begins with an assistant message, so no tool answer
    loses its call. None when there is nothing to cut: fewer than one whole step lies in between.
    """
    start = next((i + 1 for i, m in enumerate(messages) if m["role"] == "user"), None)
    if start is None:
        return None
    assistants = [i for i in range(start, len(messages)) if messages[i]["role"] == "assistant"]
    fitting = [i for i in assistants if sum(sizes[i:]) <= budget] or assistants[-1:]
    return (start, fitting[0]) if fitting and fitting[0] > start else None


def summarised(messages: Sequence[Message], cut: tuple[int, int], summary: str) -> list[Message]:
    """The conversation with `cut` replaced by the model's own summary, as the user's words."""
    start, end = cut
    note = f"The earlier part of this conversation was replaced by your own summary of it:\n\n{summary}"
    return [*messages[:start], {"role": "user", "content": note}, *messages[end:]]
