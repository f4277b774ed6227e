"""Images are had before the run, or a sentence says why not."""

import re
from pathlib import Path

import pytest

from agentbatch.errors import UserError
from agentbatch.workspace.containers.engine import Engine
from agentbatch.workspace.containers.images.building import build
from agentbatch.workspace.containers.images.images import ImageRequest, have_images
from agentbatch.workspace.workspace import Image, Limits
from tests.support.containers import NAME, image

pytestmark = pytest.mark.slow


def test_an_image_is_tried_with_all_that_its_tasks_want(engine: Engine) -> None:
    small, told = Image(image(engine, "small")), list[str]()
    wanted = ImageRequest(
        (small, small), (Limits(2**26), Limits(cpus=0.5, processes=9)), False, {small: frozenset({"ls"})}
    )
    _, had = have_images(engine, wanted, told.append)
    assert (had[small].bash, had[small].path, told) == ("/usr/bin/bash", "/usr/bin:/bin", []) or had[
        small
    ].bash == "/bin/bash"


@pytest.mark.parametrize(
    ("kind", "programs", "told"),
    [
        ("bare", (), "has no bash, by which commands are run"),
        ("small", ("codex", "ls", "--x"), "lacks --x, codex, which a task's coder needs"),
    ],
)
def test_an_image_that_lacks_something(
    engine: Engine, kind: str, programs: tuple[str, ...], told: str
) -> None:
    one = Image(image(engine, kind))
    with pytest.raises(UserError, match=re.escape(told)):
        have_images(engine, ImageRequest((one,), programs={one: frozenset(programs)}), print)


def test_an_image_that_is_nowhere(engine: Engine) -> None:
    told: list[str] = []
    with pytest.raises(UserError, match="The image localhost:9/no/such:1 cannot be had"):
        have_images(engine, ImageRequest((Image("localhost:9/no/such:1"),)), told.append)
    assert told == ["Pulling the image localhost:9/no/such:1."]


def test_an_image_is_built_once_of_a_dockerfile_and_nothing_hidden_gets_in(
    engine: Engine, tmp_path: Path
) -> None:
    image(engine, "small")
    folder = tmp_path / "box"
    folder.mkdir()
    (folder / "Dockerfile").write_text(f"FROM {NAME}:small\nCOPY . /testbed/\nRUN ls -A /testbed > /seen\n")
    for name in (".env", ".env.local", "task.json", "kept"):
        (folder / name).write_text("KEY=secret")
    (folder / ".agentbatch/runs").mkdir(parents=True)
    (folder / "link").symlink_to("/etc/passwd")
    (folder / "tasks/a").mkdir(parents=True)
    one, told = Image(dockerfile=str(folder / "Dockerfile")), list[str]()
    own = (folder / "tasks/a", folder / "results.json")
    wanted = ImageRequest((one,), hidden=(folder / "task.json",), apart=own)
    _, had = have_images(engine, wanted, told.append)
    for name in ("tasks/a/work.txt", "results.json", ".agentbatch/runs/r1"):
        (folder / name).write_text("of a run")
    _, again = have_images(engine, wanted, told.append)
    assert had == again
    assert told == [f"Building the image of {folder}/Dockerfile."]
    seen = engine.ask(
        *("run", "--rm", "--network", "none", "--ulimit", "nofile=9999:9999", "--ulimit", "nproc=9999:9999"),
        *("--entrypoint", "cat", had[one].reference, "/seen"),
    )
    assert {".env", ".env.local", "task.json", ".agentbatch"}.isdisjoint(seen.output.split())
    assert {"Dockerfile", "kept", "link"} <= {*seen.output.split()}
    (folder / "kept").write_text("other")
    assert build(engine, folder / "Dockerfile", wanted.hidden, told.append) != had[one].reference
    for name in (
        had[one].reference,
        *engine.ask("images", "--quiet", "localhost/agentbatch-built").output.split(),
    ):
        engine.ask("rmi", "--force", name)


def test_a_dockerfile_that_cannot_be_built(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM {NAME}:small\nRUN echo no such package >&2; exit 3\n")
    with pytest.raises(
        UserError, match=r"No image can be built of .*Dockerfile: .*exit status 3 \(no such package\)"
    ):
        have_images(engine, ImageRequest((Image(dockerfile=str(tmp_path / "Dockerfile")),)), print)
