"""A copy of a task's directory, when its machine is lost: it is made again by doing the same elsewhere."""

from typing import Any

import pytest

from agentbatch.cluster.exchange.losses import Lost
from agentbatch.cluster.exchange.terms import MAIN
from agentbatch.cluster.remote.fork import ClusterFork
from agentbatch.redaction import Redactor
from agentbatch.workspace.workspace import CommandResult, WorkspaceInfo

INFO = WorkspaceInfo("/x", "Linux", "none", network=False)
DONE = CommandResult(0, "done", False, False, 0.1, "")


class Machines:
    """In the place of a station and of the workspace that it belongs to: what was asked, on which machine; the first
    of them are lost with the question of that number."""

    place = "node"

    def __init__(self, *lost_at: int) -> None:
        self.station: Any = self
        self.redact = Redactor([])
        self.forks = 0
        self.generation = 1
        self.asked: list[list[str]] = [[]]
        self._lost_at = list(lost_at)

    async def ask(self, target: int, member: str, *given: Any) -> Any:
        there = self.asked[-1]
        there.append(" ".join(map(str, (member, *given))))
        if self._lost_at and len(there) == self._lost_at[0]:
            error = Lost("gone")
            error.generation = self.generation
            raise error
        return (10 * self.generation, INFO) if target == MAIN else DONE

    async def replaced(self, error: Lost) -> None:
        assert error.generation == self.generation
        self._lost_at.pop(0)
        self.generation += 1
        self.asked.append([])

    async def fork_closed(self) -> None: ...


@pytest.mark.parametrize(
    ("lost_at", "asked"),
    [
        ([], [["run a 1", "run b 1"]]),
        ([2], [["run a 1", "run b 1"], ["fork", "run a 1", "run b 1"]]),
        ([2, 1], [["run a 1", "run b 1"], ["fork"], ["fork", "run a 1", "run b 1"]]),
        ([2, 2, 3], [["run a 1", "run b 1"], ["fork", "run a 1"], *[["fork", "run a 1", "run b 1"]] * 2]),
    ],
)
async def test_it_is_made_again_as_often_as_its_machine_is_lost(
    lost_at: list[int], asked: list[list[str]]
) -> None:
    machines = Machines(*lost_at)
    fork = ClusterFork(machines, (10, INFO))
    assert [await fork.run("a", 1), await fork.run("b", 1)] == [DONE, DONE]
    assert machines.asked == asked
