"""What runs on a node for itself, without a task: its report, and the removal of what a run has left there."""

import os
import platform
import shutil
import socket
import time
from importlib.metadata import PackageNotFoundError, version

from agentbatch.cluster.exchange.terms import NodeReport
from agentbatch.cluster.exchange.wire import pack
from agentbatch.cluster.node.folder import base_folder, node_address, remove_run
from agentbatch.errors import UserError
from agentbatch.workspace.preparation import choose_sandbox

PROGRAMS = ("bash", "git", "python3", "node")

KEY_WORDS = ("KEY", "TOKEN", "SECRET", "PASSWORD")


def clear_node(mark: str) -> str:
    """Returns what could not be removed; empty: nothing."""
    try:
        remove_run(mark)
    except (OSError, UserError) as error:
        return str(error)
    return ""


def look_at_node(*programs: str) -> bytes:
    """`programs`: looked for besides."""
    try:
        choice = choose_sandbox("auto")
        sandbox, trouble = choice.name, choice.warning
        folder = base_folder()
        place, free = str(folder), shutil.disk_usage(folder).free
    except (OSError, UserError) as error:
        sandbox, trouble, place, free = "none", str(error), "", 0
    return pack(
        NodeReport(
            address=node_address(),
            host=socket.gethostname(),
            system=f"{platform.system()} {platform.machine()}",
            python=platform.python_version(),
            version=_version(),
            sandbox=sandbox,
            trouble=trouble,
            programs={name: shutil.which(name) or "" for name in (*PROGRAMS, *programs)},
            clock=time.time(),
            free=free,
            folder=place,
            keys=tuple(sorted(filter(_is_key, os.environ))),
            open_to_all=os.environ.get("RAY_AUTH_MODE") != "token",
        )
    )


def _version() -> str:
    try:
        return version("agentbatch")
    except PackageNotFoundError:
        return "brought along"


def _is_key(name: str) -> bool:
    return not name.startswith("RAY_") and any(word in name.upper().split("_") for word in KEY_WORDS)
