"""The limit of open files, in a process of its own."""

import subprocess
import sys

import pytest

SCRIPT = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
from agentbatch.errors import UserError
from agentbatch.runs.open_files import open_files
try:
    with open_files({connections}, "--parallel"):
        print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
except UserError as error:
    print(error)
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


@pytest.mark.parametrize(
    ("soft", "hard", "connections", "printed"),
    [
        (128, 512, 400, ["512", "128"]),
        (512, 512, 400, ["512", "512"]),
        (
            128,
            512,
            449,
            [
                "--parallel 449: each needs a connection, and this system lets a process have 512 open files and "
                "connections (`ulimit -Hn`): at most --parallel 448.",
                "128",
            ],
        ),
    ],
)
def test_the_limit_is_as_high_as_it_may_be(
    soft: int, hard: int, connections: int, printed: list[str]
) -> None:
    script = SCRIPT.format(soft=soft, hard=hard, connections=connections)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == printed
