"""agentbatch's command with parts of its evaluator taken out that no setting takes out: for benchmarks.competence.

    python -P benchmarks/competence_without.py sound,example ARGUMENT ...

`-P`: this folder's `requests.py` and the like must not be imported in the place of others. A source of checks that is
named here does not run; all of an evaluator's sources must be known here, so that a new name is not left in unseen.
"""

import sys
from collections.abc import Mapping

from agentbatch.cli.main import main
from agentbatch.tasks.evaluator import builtin
from agentbatch.tasks.evaluator.checks.check import CheckSource
from agentbatch.tasks.evaluator.checks.sources import Checks

SOURCES = ("sound", "example", "tests", "own")
"""Sources of checks, by the name that the evaluator gives them."""


def without_sources(parts: frozenset[str]) -> None:
    """From now on, no task of this process has these checks."""

    class Fewer(Checks):
        def __init__(self, given: Mapping[str, CheckSource]) -> None:
            if unknown := set(given) - {*SOURCES, "verify"}:
                raise RuntimeError(f"unknown sources of checks: {', '.join(sorted(unknown))}")
            super().__init__({name: source for name, source in given.items() if name not in parts})

    vars(builtin)["Checks"] = Fewer


if __name__ == "__main__":
    without_sources(frozenset(sys.argv[1].split(",")))
    sys.exit(main(sys.argv[2:]))
