"""What a place costs: a tool call, a snapshot, a fork, in a directory of this machine without walls, in bubblewrap, in
a container, in one sitting.

    python -m benchmarks.places [--image NAME] [--rounds N] [--files N]

Rounds go through all places in turn, so that what else the machine does falls on each alike; given are medians of wall
time, in milliseconds, and the CPU time of our process and of those that it waits for, which leaves out what a container
engine does in processes of its own.
"""

import argparse
import asyncio
import os
import resource
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from agentbatch.redaction import Redactor
from agentbatch.workspace.containers.choosing import choose_place
from agentbatch.workspace.containers.images.images import AvailableImage, ImageRequest, have_images
from agentbatch.workspace.local_workspace import SandboxRules
from agentbatch.workspace.local_workspaces import LocalWorkspaces
from agentbatch.workspace.sandbox.sandbox import choose_sandbox
from agentbatch.workspace.tools.toolbox import HANDS
from agentbatch.workspace.workspace import Image, Order, Snapshot, Workspace

Step = Callable[[Workspace], Awaitable[object]]
WHAT = (
    "start, first command",
    "bash tool: true",
    "read_file",
    "write_file",
    "first snapshot",
    "next snapshot",
    "fork, true",
)


def cpu() -> float:
    """Seconds, ours and our children's."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


class Figures:
    """By place and step, wall and CPU milliseconds of each round."""

    def __init__(self) -> None:
        self.wall: dict[tuple[str, str], list[float]] = defaultdict(list)
        self.cpu: dict[tuple[str, str], list[float]] = defaultdict(list)

    async def take(self, place: str, what: str, doing: Awaitable[object]) -> object:
        begun, before = time.perf_counter(), cpu()
        done = await doing
        self.wall[place, what].append((time.perf_counter() - begun) * 1000)
        self.cpu[place, what].append((cpu() - before) * 1000)
        return done

    def table(self, places: list[str]) -> str:
        rows = [f"| {'ms: wall (CPU)':22} |" + "".join(f" {place:>16} |" for place in places)]
        rows.append("|---|" + "---:|" * len(places))
        for what in WHAT:
            cells = (
                f"{statistics.median(self.wall[place, what]):.1f} ({statistics.median(self.cpu[place, what]):.1f})"
                for place in places
            )
            rows.append(f"| {what:22} |" + "".join(f" {cell:>16} |" for cell in cells))
        return "\n".join(rows)


@asynccontextmanager
async def local_places(
    folder: Path, image: str
) -> AsyncIterator[dict[str, tuple[LocalWorkspaces, Image | None]]]:
    """By name, those of this machine, each with the image of its tasks."""
    choices = {"none": choose_sandbox("none"), "bubblewrap": choose_sandbox("bubblewrap")}
    found: dict[str, tuple[LocalWorkspaces, Image | None]] = {}
    async with AsyncExitStack() as stack:
        for name in (*choices, *(["podman"] if image else [])):
            engine, one = None, None
            images: dict[Image, AvailableImage] = {}
            if name == "podman":
                one = Image(image)
                _, engine = choose_place("podman", [("t", folder, one)], folder, os.environ)
                assert engine is not None
                engine, images = have_images(engine, ImageRequest((one,)), print)
            rules = SandboxRules.of_run(
                choices.get(name, choices["none"]),
                network=True,
                environ=os.environ,
                directories=[folder / name],
                runs=folder / ".agentbatch",
                env_files=(),
                engine=engine,
                images=images,
            )
            tasks = folder / ".agentbatch/runs" / name / "tasks"
            made = LocalWorkspaces(name, tasks, os.environ, rules, secret_names=(), redact=Redactor([]))
            stack.push_async_callback(made.close)
            found[name] = (made, one)
        yield found


def fill(root: Path, files: int) -> None:
    root.mkdir(parents=True)
    for number in range(files):
        place = root / f"d{number % 50}" / f"f{number}.py"
        place.parent.mkdir(exist_ok=True)
        place.write_text(f"x = {number}\n" * 40)


async def measure(folder: Path, image: str, rounds: int, files: int) -> str:
    figures = Figures()
    async with local_places(folder, image) as places:
        for name in places:
            fill(folder / name, files)
        for number in range(rounds):
            for name, (made, one) in places.items():
                order = Order(f"t{number}", str(folder / name), "none", {}, tuple(HANDS), 60.0, image=one)
                task = made.make(order)

                async def start(task: object = task) -> Workspace:
                    workspace: Workspace = await task.start()  # type: ignore[attr-defined]
                    await workspace.run("true", 60)
                    return workspace

                workspace = await figures.take(name, WHAT[0], start())
                assert isinstance(workspace, object)
                await _round(figures, name, workspace)  # type: ignore[arg-type]
                await task.close()
    return figures.table(list(places))


async def _round(figures: Figures, name: str, workspace: Workspace) -> None:
    await figures.take(name, WHAT[1], workspace.call("bash", {"command": "true"}))
    await figures.take(name, WHAT[2], workspace.call("read_file", {"path": "d1/f1.py"}))
    await figures.take(
        name, WHAT[3], workspace.call("write_file", {"path": "d1/new.py", "content": "x = 1\n"})
    )
    seen = await figures.take(name, WHAT[4], workspace.snapshot(Snapshot({})))
    assert isinstance(seen, Snapshot)
    await figures.take(name, WHAT[5], workspace.snapshot(seen))

    async def fork() -> None:
        other = await workspace.fork()
        await other.run("true", 60)
        await other.close()

    await figures.take(name, WHAT[6], fork())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--image", default="", help="of the containers; empty: none are measured")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--files", type=int, default=1_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="agentbatch-places-") as folder:
        print(asyncio.run(measure(Path(folder).resolve(), given.image, given.rounds, given.files)))


if __name__ == "__main__":
    main()
