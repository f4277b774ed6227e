"""The key of every test that needs one: it opens nothing, and must appear nowhere; and an environment without keys."""

import os
from pathlib import Path

KEY = "sk-test-0123456789abcdef"


def without_settings(home: Path) -> dict[str, str]:
    """This process's environment without anything that would configure agentbatch, for a user whose home is `home`."""
    ours = ("CODER_", "EVALUATION_", "OPENAI_", "AGENTBATCH_", "NO_COLOR")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)} | {
        "HOME": str(home)
    }
