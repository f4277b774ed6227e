"""agentbatch's command with parts of its evaluator taken out that no setting takes out: for benchmarks.competence.

    python -P benchmarks/competence_without.py sound,example ARGUMENT ...

`-P`: this folder's `requests.py` and the like must not be imported in the place of others. Checks by their source:
sound, example, tests, own. `grounded`: no quote of a verdict is looked up, nothing has to have run or to have been
seen; a verdict that says complete is believed, as long as no check fails. What is taken out by its name must be there:
a name that has changed is an error, not a measurement of the whole.
"""

import sys
from collections.abc import Mapping
from dataclasses import replace
from types import ModuleType
from typing import Any

from agentbatch.cli.main import main
from agentbatch.tasks.evaluator import builtin
from agentbatch.tasks.evaluator.checks.check import CheckSource
from agentbatch.tasks.evaluator.checks.sources import Checks
from agentbatch.tasks.evaluator.judging import judgement, unrun
from agentbatch.tasks.evaluator.judging.grounding import GroundedVerdict
from agentbatch.tasks.evaluator.judging.judgement import Judgement
from agentbatch.tasks.evaluator.judging.verdict import Facts
from agentbatch.tasks.results.verdict import Verdict

SOURCES = ("sound", "example", "tests", "own")
"""Sources of checks, by the name that the evaluator gives them."""


def without_sources(parts: frozenset[str]) -> None:
    """From now on, no task of this process has these checks."""

    class Fewer(Checks):
        def __init__(self, given: Mapping[str, CheckSource]) -> None:
            if unknown := set(given) - {*SOURCES, "verify"}:
                raise RuntimeError(f"unknown sources of checks: {', '.join(sorted(unknown))}")
            super().__init__({name: source for name, source in given.items() if name not in parts})

    put(builtin, "Checks", Fewer)


def without_grounding() -> None:
    """From now on, verdicts of this process are believed."""

    def ground(verdict: Verdict, *_: object, **__: object) -> GroundedVerdict:
        return GroundedVerdict(verdict, quotes_run=True)

    def proven(facts: Facts, judgement: Judgement, *_: object, **__: object) -> Facts:
        return replace(facts, unjudged=judgement.failure)

    put(judgement, "ground", ground)
    put(builtin, "proven", proven)
    put(unrun, "to_be_run", lambda *_: ())


def put(module: ModuleType, name: str, value: Any) -> None:
    """Another value for what the module knows under this name."""
    if name not in vars(module):
        raise RuntimeError(f"{module.__name__} has no {name}")
    vars(module)[name] = value


if __name__ == "__main__":
    named = frozenset(sys.argv[1].split(","))
    without_sources(named & {*SOURCES})
    if "grounded" in named:
        without_grounding()
    sys.exit(main(sys.argv[2:]))
