"""How prompts for an agent of somebody else's are worded: it has tools of its own, and ends its turn by itself."""

from collections.abc import Mapping

WORDS: Mapping[str, str] = {
    "finish": "end your turn",
    "write": "write files",
    "read": "read files",
    "run": "run commands",
    "mend": "Read the error, mend its cause, see it work, and end your turn.",
}
"""For prompts/nudge.md and prompts/follow_up.md."""
