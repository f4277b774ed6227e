"""Agents of npm, each installed once into the user's cache."""

import fcntl
import shutil
import subprocess
from pathlib import Path

import pytest

PI = "@mariozechner/pi-coding-agent@0.73.1"
"""The smallest of those that were tried (2026-11): 204 MB, 160 MB of memory, a first request of 1,450 tokens."""

NODE = (20, 6)
"""The oldest that it runs on."""


def programs_of(package: str) -> Path:
    """The folder of its programs. Skips the test where it cannot be installed, and says how it could."""
    if shutil.which("npm") is None or _node() < NODE:
        pytest.skip(f"needs npm and Node.js {NODE[0]}.{NODE[1]} or later (Debian 13: apt install npm)")
    folder = Path.home() / ".cache" / "agentbatch" / "tests" / "npm" / package.replace("/", "+")
    folder.mkdir(parents=True, exist_ok=True)
    programs = folder / "node_modules" / ".bin"
    with open(folder / "lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the other workers of xdist wait for the first
        if not (folder / "whole").exists():
            _install(package, folder)
            (folder / "whole").touch()
    return programs


def _node() -> tuple[int, ...]:
    done = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False)
    numbers = done.stdout.strip().lstrip("v").split(".")[:2]
    return tuple(int(number) for number in numbers if number.isdecimal())


def _install(package: str, folder: Path) -> None:
    command = [
        "npm",
        "install",
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
        "--prefix",
        str(folder),
        package,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    if done.returncode != 0:
        pytest.skip(f"needs an agent of npm: `{' '.join(command)}` failed here (no network?)")
