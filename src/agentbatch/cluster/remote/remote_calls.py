"""What every workspace of a task on a node does in the same way: the task's own and its forks."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from agentbatch.cluster.exchange.snapshots import Difference, HomeSnapshots, without
from agentbatch.cluster.shapes import checked
from agentbatch.cluster.stations.station import Station
from agentbatch.redaction import Redactor
from agentbatch.workspace.workspace import CommandResult, FileEntry, Snapshot, ToolResult, WorkspaceInfo


class RemoteCalls:
    def __init__(self, station: Station, redact: Redactor) -> None:
        self.station = station
        self.redact = redact
        self.known = HomeSnapshots()

    @property
    def info(self) -> WorkspaceInfo:
        assert self.station.info is not None
        return self.station.info

    async def look(
        self,
        target: int,
        since: Snapshot | None,
        elsewhere: Snapshot | None = None,
        kept: Mapping[str, FileEntry] = MappingProxyType({}),
        home: Snapshot | None = None,
    ) -> Snapshot:
        """`elsewhere`: what home has seen of the directory, and the node has not. `kept`: what is at home alone;
        `home`: as `HomeSnapshots.read` takes it. Raises Lost."""
        number, known = self.known.find(since)
        by = known if known is not None else without(elsewhere or since or Snapshot({}), kept)
        told = checked(Difference, await self.station.ask(target, "snapshot", number, by.digest))
        return self.known.read(told, by, home)

    def masked(self, result: ToolResult) -> ToolResult:
        """Nodes have no keys, and do not know them."""
        command, redact = result.command, self.redact
        if command is not None:
            command = replace(command, command=redact(command.command), tail=redact(command.tail))
        return replace(result, text=redact(result.text), note=redact(result.note), command=command)

    def masked_run(self, result: CommandResult) -> CommandResult:
        return replace(result, output=self.redact(result.output))
