"""What doctor says of containers; the engine is a script that answers as one does."""

from pathlib import Path

import pytest

from agentbatch.cli.setup.container_checks import in_containers
from agentbatch.config import load_settings
from agentbatch.errors import UserError

INFO = '{"host": {"security": {"rootless": true}}}'
ENGINE = f"""#!/bin/sh
case "$*" in
info*) echo '{INFO}';;
*inspect*good*) ;;
*inspect*) exit 1;;
pull*) echo "Error: no route to it" >&2; exit 125;;
run*) printf '/bin/bash\\n/bin\\n';;
esac
"""


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"sandbox": "podman"}, "podman answers ("),
        ({"image": "good:1"}, "), good:1, bash in /bin/bash"),
        ({"image": "bad:1"}, "The image bad:1 cannot be had: no route to it"),
        (
            {"sandbox": "none", "image": "good:1"},
            "--sandbox none has no use for an image, and there is one in --image",
        ),
        ({"sandbox": "docker"}, "--sandbox docker: docker is not installed."),
        ({"image": "--privileged"}, "'--privileged' is no name of an image"),
    ],
)
def test_what_is_said_of_an_engine_and_an_image(tmp_path: Path, flags: dict[str, str], said: str) -> None:
    (tmp_path / "podman").write_text(ENGINE)
    (tmp_path / "podman").chmod(0o755)
    settings = load_settings(flags, {}, folder=tmp_path)
    try:
        found = in_containers(settings, tmp_path, {"PATH": str(tmp_path)}, print)
    except UserError as error:
        found = str(error)
    assert said in found
