"""An image out of a Dockerfile: built once for what lies beside that, and found again by the digest of it."""

import hashlib
import os
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from agentbatch.errors import UserError
from agentbatch.files import STATE_FOLDER, parse_json
from agentbatch.workspace.containers.engine import Answer, Engine, last_words, resource_limits
from agentbatch.workspace.containers.images.context import Chosen
from agentbatch.workspace.files.env_files import env_files_in

NAME = "localhost/agentbatch-built"
BUILT_LABEL = "agentbatch.built"
"""By which the user finds the images, which nobody else removes."""
MARK = "AGENTBATCH_BUILD"
"""Argument of a build by which what it leaves is found; no Dockerfile uses it, and no cache counts it."""
MAX_FILES = 20_000
MAX_BYTES = 1024**3
"""Of what beside a Dockerfile goes into its build: it is copied, and read for its digest, before every run."""
CONFINED = (5, 2, 5)
"""The first podman whose builds keep to their folder: advisories of containers/buildah, GHSA-pmf3-c36m-g5cf and
GHSA-586p-749j-fhwp."""
TIMEOUT = 7200.0
"""Seconds for one build."""
LINES_BEFORE = 2
"""Of what a build that failed has printed, before the engine says which step that was."""


def check_dockerfile(path: Path, base: Path) -> str:
    """What keeps an image from being built of it, as the end of a sentence; empty: nothing. `base`: the folder of the
    task file, resolved."""
    if not os.path.lexists(path):
        return "is not there"
    if path.resolve() != path:
        return f"is a link, or lies behind one, to {path.resolve()}; name the file itself"
    if not path.is_relative_to(base):
        return f"does not lie below {base}"
    if not path.is_file():
        return "is no file"
    if STATE_FOLDER in path.relative_to(base).parts:
        return f"lies in {STATE_FOLDER}"
    return ""


def build(
    engine: Engine,
    dockerfile: Path,
    hidden: Sequence[Path],
    tell: Callable[[str], None],
    apart: Sequence[Path] = (),
) -> str:
    """The name of the image. `hidden`: what no task may see, and so no image; `apart`: what only comes into one whose
    Dockerfile names it. Slow. Raises UserError, OSError."""
    folder = dockerfile.parent
    out = {*hidden, *env_files_in(folder), folder / STATE_FOLDER, folder / ".git"}
    with tempfile.TemporaryDirectory(prefix="agentbatch-build-") as place:
        context = Path(place, "context")
        digest = _copied(folder, context, Chosen(folder, dockerfile, out, apart).files())
        if problem := check_mounts((context / dockerfile.name).read_bytes(), engine):
            raise UserError(f"No image is built of {dockerfile}: {problem}")
        name = f"{NAME}:{digest}"
        if engine.ask("image", "inspect", "--format", "{{.Id}}", "--", name).exit_code == 0:
            return name
        tell(f"Building the image of {dockerfile}.")
        answer = _built(engine, name, context, dockerfile.name)
    if answer.exit_code != 0:
        told = last_words(answer.complaints, LINES_BEFORE).replace(str(context), str(dockerfile.parent))
        raise UserError(f"No image can be built of {dockerfile}: {told}")
    return name


def _built(engine: Engine, name: str, context: Path, dockerfile: str) -> Answer:
    """Raises OSError, after which nothing is left of it."""
    mark = secrets.token_hex(16)
    own = [*resource_limits(), "--build-arg", f"{MARK}={mark}"] if engine.name == "podman" else []
    try:
        return engine.ask(
            *("build", "--quiet", "--pull=false", "--label", BUILT_LABEL, "--tag", name),
            *("--file", str(context / dockerfile), *own),
            *("--", str(context)),
            timeout=TIMEOUT,
        )
    except BaseException:
        if engine.name == "podman":
            remove_unfinished(engine, mark)
        raise


def remove_unfinished(engine: Engine, mark: str) -> None:
    """What podman was at work in for the build of that `mark`: it removes such a container itself, unless it was ended
    before. Nothing else tells whose it is. Raises OSError."""
    at = engine.ask("info", "--format", "{{.Store.GraphRoot}}/{{.Store.GraphDriverName}}-containers")
    for one in engine.ask("ps", "--all", "--external", "--quiet", "--no-trunc").output.split():
        with suppress(OSError, ValueError, KeyError, TypeError):
            note = parse_json(Path(at.output.strip(), one, "userdata/buildah.json").read_bytes())
            if note["Args"][MARK] == mark:
                engine.ask("rm", "--force", "--", one)


def check_mounts(dockerfile: bytes, engine: Engine) -> str:
    """What keeps it from being built by that engine, a sentence; empty: nothing. Pure."""
    whole = re.sub(
        rb"[\\`][ \t]*\r?\n", b"", dockerfile
    )  # what goes on in the next line, by either sign for it
    if engine.name != "podman" or engine.version >= CONFINED or b"--mount" not in whole.lower():
        return ""
    return (
        f"it has a RUN --mount, by which podman before {'.'.join(map(str, CONFINED))} lets a Dockerfile reach all of "
        "this machine's files (CVE-2024-1753, CVE-2024-9675). Leave that out, or install a later podman."
    )


def _copied(folder: Path, target: Path, chosen: Iterable[Path]) -> str:
    """Copy what is `chosen`, no link followed; returns a digest of it. Raises UserError, OSError."""
    whole, files, size = hashlib.sha256(), 0, 0
    target.mkdir()
    for source in chosen:
        name = source.relative_to(folder)
        place = target / name
        status = source.lstat()
        whole.update(os.fsencode(name) + b"\0%o\0" % stat.S_IMODE(status.st_mode))
        if stat.S_ISDIR(status.st_mode):
            place.mkdir()
        elif stat.S_ISLNK(status.st_mode):
            place.symlink_to(os.readlink(source))
            whole.update(b"link\0" + os.fsencode(os.readlink(source)))
        elif stat.S_ISREG(status.st_mode):
            files, size = files + 1, size + status.st_size
            if files > MAX_FILES or size > MAX_BYTES:
                raise UserError(
                    f"{folder} holds more than goes into an image ({MAX_FILES:,} files, 1 GiB): put the Dockerfile "
                    "into a folder of its own, with what it copies."
                )
            shutil.copy2(source, place, follow_symlinks=False)
            with open(place, "rb") as file:
                whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()[:32]
