"""How prompts name what a coder can do, which depends on the form in which its model calls tools."""

from collections.abc import Mapping

from agentbatch.model.capabilities import ToolMode

_CALLS: Mapping[str, str] = {
    "finish": "call `finish`",
    "write": "`write_file`",
    "read": "`read_file`",
    "run": "`bash`",
    "mend": "Read the error, mend its cause, and call `finish`.",
}

_BLOCKS: Mapping[str, str] = {
    "finish": "write `DONE:`",
    "write": "a `FILE:` line and a fence",
    "read": "`READ:`",
    "run": "a bash fence",
    "mend": "Read the error and find its cause in the code. Write the whole file anew, with its `FILE:` line, and then "
    "`DONE:`.",
}


def action_words(mode: ToolMode) -> Mapping[str, str]:
    """The words for prompts/nudge.md and prompts/follow_up.md."""
    return _BLOCKS if mode == "text" else _CALLS
