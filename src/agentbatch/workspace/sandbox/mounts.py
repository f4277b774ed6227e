"""What one task sees of the disk, as a list of mounts in the order in which they are made."""

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

from agentbatch.files import STATE_FOLDER
from agentbatch.workspace.sandbox.machine import BLANK, only_for_some
from agentbatch.workspace.sandbox.toolchains import exposed_toolchains

PRIVATE = ("/home", "/root", "/tmp", "/var/tmp", "/run")
"""Trees that a command gets empty and to itself, besides HOME. /dev is new in every sandbox anyway."""

MAX_HIDDEN = 64
"""Directories hidden one by one. More are hidden by their common parents: each mount costs every command."""
SHALLOWEST_COVER = 2
"""Names in the shortest path that may be covered in the place of directories below it: never / or /usr."""

_CREDENTIALS = """
.ssh .gnupg .aws .azure .kube .docker .netrc .git-credentials .pypirc .npmrc .yarnrc.yml .vault-token
.password-store .pgpass .my.cnf .pip .bash_history .zsh_history .python_history .mozilla .thunderbird
.config/gcloud .config/gh .config/hub .config/pip .config/pypoetry .config/composer/auth.json .config/op
.config/sops .config/rclone .config/google-chrome .config/chromium .local/share/keyrings
.local/share/uv/credentials .cargo/credentials .cargo/credentials.toml .gem/credentials .bundle/config
.codex/auth.json .claude/.credentials.json .claude.json .gemini/oauth_creds.json .qwen/oauth_creds.json .copilot
.config/github-copilot .local/share/opencode/auth.json .local/share/goose .config/goose .pi/agent/auth.json
.m2/settings.xml .m2/settings-security.xml .gradle/gradle.properties .sbt/.credentials
.nuget/NuGet/NuGet.Config .terraform.d/credentials.tfrc.json .composer/auth.json .ray/auth_token
"""
CREDENTIALS = tuple(_CREDENTIALS.split())
"""Where well-known programs keep passwords and keys, relative to HOME; folders and files."""


_NAMING = """
AWS_CONFIG_FILE AWS_SHARED_CREDENTIALS_FILE AZURE_AUTH_LOCATION BOTO_CONFIG GOOGLE_APPLICATION_CREDENTIALS HF_TOKEN_PATH
KUBECONFIG NETRC NPM_CONFIG_USERCONFIG PGPASSFILE RAY_AUTH_TOKEN_PATH
"""
"""Variables by which the same programs are told of another place, or of several with colons between them."""


def named_credentials(environ: Mapping[str, str]) -> list[Path]:
    """Files with passwords and keys, where the user's variables say that they lie."""
    named = (environ.get(name, "").split(os.pathsep) for name in _NAMING.split())
    return [Path(place).absolute() for places in named for place in places if place]


@lru_cache(maxsize=8)
def credential_places(home: Path) -> frozenset[Path]:
    """Those that exist, resolved; looked up once, since every task of a run asks."""
    return frozenset((home / place).resolve() for place in CREDENTIALS if (home / place).exists())


class Mount(NamedTuple):
    kind: Literal["covered", "read-only", "read-write", "link"]
    place: Path
    source: str = ""

    def arguments(self) -> list[str]:
        """For bwrap; none to cover what is not there, which would have to be made on the disk."""
        place = str(self.place)
        match self.kind:
            case "covered" if self.place.is_dir():
                return ["--tmpfs", place]
            case "covered":
                return ["--ro-bind", str(BLANK), place] if self.place.is_file() else []
            case "read-only":
                return ["--ro-bind-try", place, place]
            case "read-write":
                return ["--bind", self.source or place, place]
            case "link":
                return ["--symlink", self.source, place]


def capabilities() -> list[str]:
    """None, but for root those by which it owns files: it has no user namespace that would map them."""
    kept = ("CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER") if os.geteuid() == 0 else ()
    return ["--cap-drop", "ALL", *(word for name in kept for word in ("--cap-add", name))]


def plan_mounts(
    root: Path,
    home: Path,
    path_variable: str,
    hidden_dirs: Sequence[Path],
    hidden_files: Sequence[Path],
    readable: Sequence[Path],
    guarded: Sequence[Path] = (),
) -> list[Mount]:
    """Hide first, then show again what is needed, the task's own directory last; all paths resolved.

    A task whose directory is HOME or above it keeps it, writable; only the well-known places of passwords and
    keys in it are covered. A readable folder around the task's directory is shown before that. `guarded`: places in
    the task's directory that it may read only.
    """
    private = _private(home)
    others = [place for place in hidden_dirs if not place.is_relative_to(root)]
    others += [place for place in only_for_some() if place.is_dir() and not place.is_relative_to(root)]
    others = [place for place in covering(others) if not _inside(place, private)]
    hidden = [*private, *others]
    exposed = exposed_toolchains(path_variable, home, lambda p: _inside(p, hidden), [root, *others])
    around = [place for place in readable if root != place and root.is_relative_to(place)]
    trees = [*around, *(tree for tree in exposed.outermost() if not tree.is_relative_to(root))]
    links = [link for link in exposed.links if not _inside(link, [*trees, root])]
    secret = [*credential_places(home), *(path.resolve() for path in hidden_files if path.is_file())]
    secret += [place for place in only_for_some() if place.is_file()]
    outside = {
        p for p in secret if not p.is_relative_to(root) and (_inside(p, trees) or not _inside(p, hidden))
    }
    inside = out_of_reach(root, home, hidden_dirs, hidden_files)
    shown = [
        place
        for place in readable
        if place not in around and (not place.is_relative_to(root) or _inside(place, inside))
    ]
    return [
        *(Mount("covered", place) for place in sorted(hidden)),
        *(Mount("read-only", place) for place in (*_dns_files(hidden), *trees)),
        *(Mount("link", link, exposed.links[link]) for link in sorted(links)),
        *(Mount("covered", place) for place in sorted(outside)),
        Mount("read-write", root),
        *(
            Mount("read-write" if writable else "read-only", place)
            for place, writable in held(root, inside, guarded)
        ),
        *(Mount("covered", place) for place in inside),
        *(Mount("read-only", place) for place in shown),
    ]


def held(root: Path, hidden: Iterable[Path], guarded: Sequence[Path]) -> list[tuple[Path, bool]]:
    """What is guarded, and every folder on the way to it and to what is hidden, with whether it is writable: a place is
    only covered as long as nobody can rename a folder above it, and a mount point cannot be renamed."""
    kept = [p for p in guarded if p.is_relative_to(root) and p != root and not _inside(p.parent, guarded)]
    ways = {
        way for place in (*hidden, *kept) for way in place.parents if way != root and way.is_relative_to(root)
    }
    places = [(way, True) for way in ways if not _inside(way, kept)]
    places += [(place, False) for place in kept]
    return sorted(places, key=lambda place: len(place[0].parts))


def out_of_reach(
    root: Path, home: Path, hidden_dirs: Iterable[Path], hidden_files: Iterable[Path]
) -> list[Path]:
    """What stays hidden inside the task's own directory: the runs' folder, env files that are there now (not one
    that the coder will write), and keys where the directory is HOME or above it.

    Other tasks' directories below it are not: such tasks never run at the same time, and the outer one may
    see the inner one's.
    """
    states = [p for p in hidden_dirs if STATE_FOLDER in p.parts]
    runs = [p for p in states if p.is_relative_to(root) and STATE_FOLDER in p.relative_to(root).parts]
    files = [path.resolve() for path in hidden_files if path.is_file()]
    found = {place for place in (*runs, *files, *credential_places(home)) if place.is_relative_to(root)}
    return sorted(found - {root})


def _private(home: Path) -> list[Path]:
    places = {Path(place).resolve() for place in PRIVATE if Path(place).is_dir()}
    return sorted(places | {home} - {Path("/")})


def covering(places: Iterable[Path]) -> list[Path]:
    """`places`, or when they are too many the parents that contain them, without those inside another one.

    A run reduces its tasks' directories once with this; each task's walls then look at few places.
    """
    chosen = set(places)
    while len(chosen) > MAX_HIDDEN:
        deepest = max(len(place.parts) for place in chosen)
        if deepest - 2 < SHALLOWEST_COVER:
            break
        chosen = {place.parent if len(place.parts) == deepest else place for place in chosen}
    return sorted(place for place in chosen if not any(parent in chosen for parent in place.parents))


def _inside(path: Path, trees: Iterable[Path]) -> bool:
    return any(path.is_relative_to(tree) for tree in trees)


def _dns_files(hidden: Sequence[Path]) -> list[Path]:
    """Where /etc's name service files really are: systemd keeps resolv.conf below /run."""
    real = (Path(name).resolve() for name in ("/etc/resolv.conf", "/etc/hosts"))
    return [path for path in real if _inside(path, hidden) and path.is_file()]
