"""Where tasks run, settled before the run; the engines are scripts that answer as one does."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from agentbatch.errors import UserError
from agentbatch.workspace.containers.choosing import choose_place
from agentbatch.workspace.containers.engine import Engine
from agentbatch.workspace.containers.images.building import check_dockerfile
from agentbatch.workspace.containers.images.images import AvailableImage, ImageRequest, have_images
from agentbatch.workspace.workspace import Image

PYTHON = Image("python:3.12")
PODMAN = json.dumps({"host": {"security": {"rootless": True}}})
DOCKER = json.dumps({"ServerErrors": ["Cannot connect to the Docker daemon at unix:///var/run/docker.sock."]})


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    for name, said in (("podman", PODMAN), ("docker", DOCKER)):
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\necho '{said}'\n")
        (tmp_path / "bin" / name).chmod(0o755)
    return {"PATH": f"{tmp_path}/bin:/usr/bin:/bin"}


def test_a_task_with_an_image_finds_an_engine(environ: dict[str, str], tmp_path: Path) -> None:
    choice, engine = choose_place("auto", [("a", Path("/srv/a"), PYTHON)], tmp_path, environ)
    assert engine is not None
    assert (choice.name, engine.name, engine.user, engine.kept) == ("podman", "podman", "0:0", ())


def test_tasks_without_an_image_keep_the_usual_sandbox(environ: dict[str, str], tmp_path: Path) -> None:
    tasks = [("a", Path("/srv/a"), PYTHON), ("b", Path("/srv/b"), None)]
    choice, engine = choose_place("auto", tasks, tmp_path, environ)
    assert choice.name in ("bubblewrap", "none")
    assert engine is not None
    assert choose_place("none", tasks[1:], tmp_path, environ)[1] is None


@pytest.mark.parametrize(
    ("asked", "image", "root", "told"),
    [
        ("podman", None, "/srv/a", "--sandbox podman: no image is named for t. Give each an `image`"),
        ("none", PYTHON, "/srv/a", "--sandbox none has no use for an image, and there is one in t."),
        ("docker", PYTHON, "/srv/a", "--sandbox docker: docker does not answer (Cannot connect to the Docker"),
        ("podman", Image("--privileged"), "/srv/a", "'--privileged' is no name of an image; one looks"),
        ("podman", Image("a", workdir="/"), "/srv/a", "its workdir cannot be /, which is the whole"),
        ("podman", Image("a", workdir="/etc"), "/srv/a", "its workdir cannot be /etc, which is a place that the"),
        ("podman", Image("a", workdir="../x"), "/srv/a", "its workdir cannot be ../x, which is no plain absolute"),
        ("podman", PYTHON, "/usr", "its directory cannot be /usr, which is a place that"),
        ("podman", Image(dockerfile="/nowhere/Dockerfile"), "/srv/a", "/nowhere/Dockerfile is not there."),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_before_the_run(
    environ: dict[str, str], tmp_path: Path, asked: str, image: Image | None, root: str, told: str
) -> None:
    with pytest.raises(UserError) as raised:
        choose_place(asked, [("t", Path(root), image)], tmp_path, environ)  # type: ignore[arg-type]
    assert told in str(raised.value)


def test_no_engine_at_all(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"podman is not installed and docker is not installed\. Install podman"
    ):
        choose_place("auto", [("t", tmp_path, PYTHON)], tmp_path, {"PATH": str(tmp_path)})


def test_a_program_of_that_name_that_is_no_engine(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "bin/podman").write_text("#!/bin/sh\necho hello\n")
    with pytest.raises(UserError, match=r"what .*/bin/podman answers is not what podman does\. Install"):
        choose_place("podman", [("t", tmp_path, PYTHON)], tmp_path, environ)


def test_dockerfiles_that_are_none(tmp_path: Path) -> None:
    base = tmp_path.resolve()
    (base / "p/sub/.agentbatch").mkdir(parents=True)
    (base / "outside").write_text("FROM x")
    (base / "p/sub/Dockerfile").write_text("FROM x")
    (base / "p/sub/.agentbatch/Dockerfile").write_text("FROM x")
    (base / "p/link").symlink_to("sub/Dockerfile")
    (base / "p/away").symlink_to(base / "outside")
    (base / "p/folder").symlink_to("sub")
    problems = {
        "sub/Dockerfile": "",
        "link": "is a link",
        "away": "is a link",
        "folder/Dockerfile": "lies behind one",
        "../outside": "is a link, or lies",
        "sub": "is no file",
        "nope": "is not there",
        "sub/.agentbatch/Dockerfile": "lies in .agentbatch",
    }
    for name, told in problems.items():
        found = check_dockerfile(base / "p" / name, base / "p")
        assert told in found if told else found == "", name
    assert "does not lie below" in check_dockerfile(base / "outside", base / "p")


CRUN_FAILS = """#!/bin/sh
case "$*" in
  "image inspect"*) ;;
  "--runtime runc run"*) printf '/bin/bash\\n/usr/bin:/bin\\n' ;;
  *) echo 'Error: crun: cgroups in hybrid mode not supported' >&2; exit 126 ;;
esac
"""


def test_where_podman_s_runtime_does_not_work_runc_is_tried(tmp_path: Path) -> None:
    (tmp_path / "podman").write_text(CRUN_FAILS)
    (tmp_path / "podman").chmod(0o755)
    environ = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    engine = Engine("podman", tmp_path / "podman", "0:0", env=environ)
    with pytest.raises(
        UserError, match=r"No container of python:3\.12 can be started: crun: cgroups in hybrid mode"
    ):
        have_images(replace(engine, env={"PATH": str(tmp_path)}), ImageRequest((PYTHON,)), print)
    (tmp_path / "runc").write_text("")
    (tmp_path / "runc").chmod(0o755)
    found, had = have_images(engine, ImageRequest((PYTHON,)), print)
    assert found.options == ("--runtime", "runc")
    assert had == {PYTHON: AvailableImage("python:3.12", "/bin/bash", "/usr/bin:/bin")}


WAITS = """#!/bin/sh
case "$*" in
  "image inspect"*) exit 0 ;;
  *one:1*) ;;
  *) touch $TRIED/$$; while [ $(ls $TRIED | wc -l) -lt 3 ]; do sleep 0.01; done ;;
esac
case "$*" in *bad*) echo 'Error: no' >&2; exit 1 ;; esac
printf '/bin/bash\\n/bin\\n'
"""


@pytest.mark.parametrize(
    "names", [("one:1", "two:1", "three:1", "four:1"), ("one:1", "two:1", "bad:1", "bad:2")]
)
def test_images_are_tried_at_the_same_time_once_one_works(tmp_path: Path, names: tuple[str, ...]) -> None:
    """Each but the first waits for the others."""
    program, tried = tmp_path / "podman", tmp_path / "tried"
    tried.mkdir()
    program.write_text(WAITS)
    program.chmod(0o755)
    engine = Engine("podman", program, "0:0", env={"PATH": "/usr/bin:/bin", "TRIED": str(tried)})
    images = tuple(Image(name) for name in names)
    if "bad:1" in names:
        with pytest.raises(UserError, match="No container of bad:1 can be started: no"):
            have_images(engine, ImageRequest(images), print)
    else:
        assert have_images(engine, ImageRequest(images), print)[1] == {
            one: AvailableImage(one.name, "/bin/bash", "/bin") for one in images
        }
