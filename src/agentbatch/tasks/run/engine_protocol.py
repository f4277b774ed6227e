"""What an engine is: where the tasks of a plan run. Local now; a cluster speaks the same protocol later."""

from pathlib import Path
from typing import Protocol


class Engine(Protocol):
    @property
    def run_folder(self) -> Path:
        """Where the run's files are."""
        ...

    async def run(self) -> None:
        """Run the plan. Everything that happens is an event in the store; returns when nothing runs any more."""
        ...

    def stop(self) -> None:
        """First call: drain (running tasks end after their iteration). Second call: stop at once."""
        ...
