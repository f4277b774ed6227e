"""Images that do what no image should, as root of this machine has them."""

import os
import secrets
from pathlib import Path

import pytest

from agentbatch.workspace.containers.engine import Engine
from agentbatch.workspace.containers.images import building, filling, images
from agentbatch.workspace.containers.images.images import ImageRequest, have_images
from agentbatch.workspace.workspace import Ending, Image
from tests.support.containers import image
from tests.workspace.containers.conftest import MakePlace, MakeTask, engine, made, task

__all__ = ["engine", "made", "task"]

pytestmark = pytest.mark.slow


async def test_nothing_but_files_comes_out_of_an_image_and_what_git_obeys_is_told(
    made: MakePlace, tmp_path: Path
) -> None:
    root = tmp_path / "project/task"
    ordered = made("hostile", workdir="/testbed")
    place = await ordered.start()
    assert sorted(os.listdir(root)) == [".git", "link", "run.sh", "sub"]
    assert sorted(os.listdir(root / "sub")) == ["a"]
    shown = await place.run("id -u; echo x > .git/config; cat .git/config", 300)
    assert "fsmonitor" in shown.output
    now = await place.snapshot()
    left = await ordered.leave(Ending(True, False, now, now, "m", "p"))
    assert ".git/config, .git/hooks/post-checkout" in left.notices[0]


async def test_a_folder_that_an_image_keeps_holds_nothing_for_the_next_command(task: MakeTask) -> None:
    """What is judged would lie beside what is kept."""
    place = await task("hostile")
    shown = []
    for command in ("touch /kept/y", "chown 5 /dev/null", "chmod 600 /dev/null"):
        await place.run(command, 300)
        look = await place.run("echo kept: $(ls -A /kept 2>/dev/null); stat -c '%u %a' /dev/null", 300)
        shown += [
            line for line in look.output.splitlines() if "ld.so" not in line
        ]  # of the image's LD_PRELOAD
    assert shown == ["kept:", "0 666"] * 3


async def test_more_than_a_disk_holds_is_not_brought(
    task: MakeTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "MAX_BYTES", 1000)
    with pytest.raises(Exception, match="it is more than"):
        await task("small", workdir="/testbed")
    assert os.listdir(tmp_path / "project/task") == []


def test_a_build_that_never_ends_leaves_nothing_running(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = f"1{secrets.randbelow(10**9):09}"
    (tmp_path / "Dockerfile").write_text(
        f"FROM {image(engine, 'small')}\nRUN touch /x\nRUN sleep {seconds}\n"
    )
    monkeypatch.setattr(building, "TIMEOUT", 10.0)
    monkeypatch.setattr(building, "MARK", f"BUILD_{seconds}")
    with pytest.raises(OSError, match="has not answered"):
        building.build(engine, tmp_path / "Dockerfile", [], print)
    running = [one.read_bytes() for one in Path("/proc").glob("[0-9]*/cmdline") if os.access(one, os.R_OK)]
    assert not [words for words in running if words == b"sleep\0" + seconds.encode() + b"\0"]
    storage = Path(engine.ask("info", "--format", "{{.Store.GraphRoot}}").output.strip())
    assert not [one for one in storage.glob("*/*/userdata/buildah.json") if seconds in one.read_text()]


def test_a_bash_that_never_ends_leaves_no_container(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    name = image(engine, "hanging")
    monkeypatch.setattr(images, "PROBE_TIMEOUT", 4.0)
    with pytest.raises(OSError, match="has not answered"):
        have_images(engine, ImageRequest((Image(name),)), print)
    assert engine.ask("ps", "--all", "--quiet", "--filter", f"ancestor={name}").output == ""
