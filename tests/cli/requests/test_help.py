"""The help of the commands for plain requests: it fits a terminal of 80 columns, and comes without heavy libraries."""

import os
import subprocess
import sys

import pytest

WIDEST = 79
"""Characters of a line, so that none wraps at 80 columns."""

HEAVY = ("aiohttp", "jinja2", "jsonschema", "openai", "textual", "tiktoken")


def help_of(*words: str) -> "subprocess.CompletedProcess[str]":
    code = (
        "import sys\n"
        "from agentbatch.cli.main import main\n"
        "try:\n"
        "    main(sys.argv[1:])\n"
        "finally:\n"
        f"    print(*[name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)\n"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *words, "--help"], env={**os.environ, "COLUMNS": "80"},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    "words", ["requests", "requests run", "requests make", "cache", "bench", "bench requests"]
)
def test_no_line_is_too_wide_and_nothing_heavy_is_loaded(words: str) -> None:
    told = help_of(*words.split())
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith(f"usage: agentbatch {words} ")
    assert [line for line in told.stdout.splitlines() if len(line) > WIDEST] == []
    assert "%%" not in told.stdout
    assert told.stderr.split() == []
