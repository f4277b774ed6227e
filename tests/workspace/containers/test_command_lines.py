"""What the engines are told, as tables: no engine is asked."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from agentbatch.errors import UserError
from agentbatch.workspace.containers.command_lines import (
    Inside,
    exec_arguments,
    is_reference,
    run_arguments,
    variables_file,
)
from agentbatch.workspace.containers.engine import Engine, client_environment, read_info
from agentbatch.workspace.containers.images.building import check_mounts
from agentbatch.workspace.containers.images.images import ImageRequest, have_images
from agentbatch.workspace.containers.mounts import Bind
from agentbatch.workspace.workspace import Image, Limits
from tests.support.keys import KEY

PODMAN = Engine("podman", Path("/usr/bin/podman"), "0:0", kept=("CHOWN",))
DOCKER = Engine("docker", Path("/usr/bin/docker"), "1000:1000")
UNLIMITED = Limits()


def inside(network: bool = True, limits: Limits = UNLIMITED) -> Inside:
    return Inside("python:3.12", "/bin/bash", network, limits, "m1")


def flags(words: list[str], name: str) -> list[str]:
    return [words[place + 1] for place, word in enumerate(words) if word == name]


@pytest.mark.parametrize("engine", [PODMAN, DOCKER])
def test_a_container_has_few_rights_and_ends_with_its_input(engine: Engine) -> None:
    words = run_arguments(engine, "n1", inside(), [Bind(Path("/a"), "/b")], ["--ulimit", "nofile=9:9"])
    options, rest = words[: words.index("--")], words[words.index("--") + 1 :]
    assert words[:2] == [str(engine.binary), "run"]
    assert {"--rm", "--interactive", "--read-only", "--no-healthcheck"} <= {*options}
    silent = {"--http-proxy=false", "--env-host=false", "--read-only-tmpfs=false"}
    assert silent & {*options} == (silent if engine.name == "podman" else set())
    assert not {"--privileged", "--network", "--memory", "--cpus", "--pids-limit", "--detach"} & {*options}
    assert flags(options, "--cap-drop") == ["all"]
    assert flags(options, "--cap-add") == [*engine.kept]
    assert flags(options, "--security-opt") == ["no-new-privileges", "label=disable"]
    assert flags(options, "--user") == ["65534:65534"]
    assert flags(options, "--pull") == ["never"]
    assert flags(options, "--label") == ["agentbatch.mark=m1"]
    assert flags(options, "--ulimit") == ["nofile=9:9"]
    assert {*flags(options, "--env")} >= {"http_proxy=", "HTTPS_PROXY=", "no_proxy="}
    assert flags(options, "--mount") == ["type=bind,source=/a,target=/b,readonly"]
    assert rest[0] == "python:3.12"
    assert "read -r" in rest[2]


@pytest.mark.parametrize(
    ("engine", "profile", "options"),
    [
        (PODMAN, Path("/f/seccomp.json"), ["seccomp=/f/seccomp.json"]),
        (PODMAN, None, []),
        (DOCKER, None, []),
        (replace(DOCKER, builtin="builtin"), None, ["seccomp=builtin"]),
    ],
)
def test_system_calls_are_filtered_by_the_profile_given(
    engine: Engine, profile: Path | None, options: list[str]
) -> None:
    words = run_arguments(engine, "n1", inside(), [], [], profile=profile)
    assert [one for one in flags(words, "--security-opt") if one.startswith("seccomp")] == options


@pytest.mark.parametrize(
    ("options", "builtin"),
    [
        (["name=seccomp,profile=builtin"], ""),
        (["name=apparmor", "name=seccomp,profile=default"], ""),
        (["name=seccomp,profile=unconfined"], "builtin"),
        (["name=seccomp,profile=/etc/docker/seccomp.json", "name=userns"], "builtin"),
        (["name=apparmor"], ""),
        (None, ""),
    ],
)
def test_docker_is_told_to_use_its_own_profile_where_it_would_not(
    options: list[str] | None, builtin: str
) -> None:
    assert read_info(DOCKER, {"SecurityOptions": options}, (1, 1)).builtin == builtin


def test_podman_is_told_what_it_would_do_by_itself() -> None:
    words = run_arguments(PODMAN, "n1", inside(), [], [])
    assert {"--env-host=false", "--http-proxy=false", "--image-volume=ignore"} <= {
        *words[: words.index("--")]
    }


def test_limits_and_no_network() -> None:
    words = run_arguments(PODMAN, "n1", inside(network=False, limits=Limits(2**30, 1.5, 64)), [], [])
    assert flags(words, "--network") == ["none"]
    assert flags(words, "--memory") == flags(words, "--memory-swap") == ["1073741824b"]
    assert flags(words, "--cpus") == ["1.5"]
    assert flags(words, "--pids-limit") == ["64"]


def test_commands_run_as_the_user_and_their_variables_are_in_a_file() -> None:
    words = exec_arguments(DOCKER, "n1", inside(), "/v", "/testbed", ["printf", "%s", "-x"], talked=True)
    assert words[1:3] == ["exec", "--interactive"]
    assert flags(words, "--user") == ["1000:1000"]
    assert flags(words, "--workdir") == ["/testbed"]
    assert words[words.index("--") + 1] == "n1"
    assert words[-4:] == ["/v", "printf", "%s", "-x"]
    assert not flags(words, "--env")


@pytest.mark.parametrize(
    ("place", "shown"),
    [
        ("/a b", "type=bind,source=/a b,target=/in,readonly"),
        ("/a,readonly=0", 'type=bind,"source=/a,readonly=0",target=/in,readonly'),
        ('/a"b', 'type=bind,"source=/a""b",target=/in,readonly'),
        ("/a:/etc:rw", "type=bind,source=/a:/etc:rw,target=/in,readonly"),
    ],
)
def test_a_name_cannot_change_its_mount(place: str, shown: str) -> None:
    assert Bind(Path(place), "/in").arguments() == ["--mount", shown]


def test_variables_hold_anything_and_those_of_bash_are_its_own() -> None:
    env = {"A": "x'y\n$(id)`id`\\", "UID": "7", "LC_ALL": "C", "EMPTY": ""}
    script = variables_file(env) + 'printf "%s|" "$A" "${EMPTY-unset}" "$LC_ALL"'
    shown = subprocess.run(["bash", "-c", script], capture_output=True, check=True, env={}).stdout.decode()
    assert shown == "x'y\n$(id)`id`\\||C|"


@pytest.mark.parametrize(
    "name",
    [
        "python:3.12",
        "docker.io/library/node",
        "localhost:5000/a/b:1",
        "ghcr.io/o/n@sha256:" + "a" * 64,
        "a96da1afedc3",
    ],
)
def test_names_of_images(name: str) -> None:
    assert is_reference(name)


@pytest.mark.parametrize(
    "name",
    ["", "--privileged", "-v", "a b", "docker-archive:/etc/x", "oci:/tmp/x:1", "dir:/etc", "a\n--privileged", "../x",
     "/etc", "http://a/b", "a@sha256:1", "a;id", "containers-storage:[x]a", "a//b", "ä:1",
     "docker-archive:x", "dir:root", "oci-archive:x"],
)  # fmt: skip
def test_what_is_no_name_of_an_image(name: str) -> None:
    assert not is_reference(name)


@pytest.mark.parametrize(
    ("engine", "info", "user", "kept"),
    [
        (PODMAN, {"host": {"security": {"rootless": True}}}, "0:0", False),
        (PODMAN, {"host": {"security": {"rootless": False}}}, "0:0", True),
        (DOCKER, {"SecurityOptions": ["name=seccomp,profile=builtin"]}, "1000:100", False),
        (DOCKER, {"SecurityOptions": ["name=rootless", "name=cgroupns"]}, "0:0", False),
        (DOCKER, {"SecurityOptions": None}, "1000:100", False),
    ],
)
def test_files_belong_to_the_user_by_every_engine(
    engine: Engine, info: dict[str, object], user: str, kept: bool
) -> None:
    found = read_info(engine, info, (1000, 100))
    assert found.user == user
    assert bool(found.kept) == kept


def test_docker_for_root_keeps_what_root_owns_files_by() -> None:
    assert read_info(DOCKER, {}, (0, 0)).kept == ("CHOWN", "DAC_OVERRIDE", "FOWNER")


@pytest.mark.parametrize(
    ("engine", "info"),
    [
        (PODMAN, {}),
        (PODMAN, {"host": []}),
        (PODMAN, {"host": {"security": None}}),
        (DOCKER, {"ServerErrors": ["Cannot connect"]}),
        (DOCKER, {"SecurityOptions": 1}),
    ],
)
def test_an_engine_that_does_not_work_is_none(engine: Engine, info: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"not understood|Cannot connect"):
        read_info(engine, info, (1000, 1000))


ALL = ["cpuset", "cpu", "memory", "pids"]


@pytest.mark.parametrize(
    ("engine", "info", "lacks"),
    [
        (
            PODMAN,
            {"host": {"security": {"rootless": False}, "cgroupVersion": "v1", "cgroupControllers": ALL}},
            (),
        ),
        (
            PODMAN,
            {"host": {"security": {"rootless": True}, "cgroupVersion": "v1", "cgroupControllers": ALL}},
            ("memory", "cpus", "processes"),
        ),
        (
            PODMAN,
            {
                "host": {
                    "security": {"rootless": True},
                    "cgroupVersion": "v2",
                    "cgroupControllers": ["memory", "pids"],
                }
            },
            ("cpus",),
        ),
        (DOCKER, {}, ()),
        (DOCKER, {"MemoryLimit": True, "CpuCfsQuota": False, "PidsLimit": False}, ("cpus", "processes")),
    ],
)
def test_what_an_engine_cannot_limit_is_known(
    engine: Engine, info: dict[str, object], lacks: tuple[str, ...]
) -> None:
    found = read_info(engine, info, (0, 0))
    assert found.lacks == lacks
    if lacks:
        wanted = ImageRequest((Image("a"),), (Limits(), Limits(cpus=2.0)))
        with pytest.raises(UserError, match=r"(podman|docker) cannot limit cpus here"):
            have_images(found, wanted, print)


OLD, NEW = replace(PODMAN, version=(4, 3, 1)), replace(PODMAN, version=(5, 2, 5))


@pytest.mark.parametrize(
    ("engine", "dockerfile", "refused"),
    [
        (OLD, b"FROM a\nRUN --mount=type=cache,id=../../..,target=/m true\n", True),
        (PODMAN, b"RUN --MOUNT=type=bind,from=b,source=/l,target=/m true", True),
        (OLD, b"RUN --mou\\\nnt=type=cache true", True),
        (OLD, b"# escape=`\nRUN --m` \r\nount=type=cache true", True),
        (OLD, b"FROM a\nRUN mount\n", False),
        (NEW, b"RUN --mount=type=cache,target=/m true", False),
        (DOCKER, b"RUN --mount=type=cache,target=/m true", False),
    ],
)
def test_builds_of_podman_that_would_reach_this_machine(
    engine: Engine, dockerfile: bytes, refused: bool
) -> None:
    assert bool(check_mounts(dockerfile, engine)) == refused


def test_podman_says_its_version() -> None:
    info = {"host": {"security": {"rootless": False}}, "version": {"Version": "5.2.5-rc1"}}
    assert read_info(PODMAN, info, (0, 0)).version == (5, 2, 5)


def test_no_key_is_in_the_variables_of_an_engine_s_client() -> None:
    environ = {"PATH": "/bin", "CODER_API_KEY": KEY, "ALSO": f"x{KEY}", "DOCKER_HOST": "unix:///d"}
    assert client_environment(environ) == {"PATH": "/bin", "DOCKER_HOST": "unix:///d"}
