"""The command as a user runs it: a process of its own, in a folder of its own, with a HOME of its own."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import commands
from tests.support.keys import without_settings
from tests.support.paths import SEARCHED

Command = Callable[..., subprocess.CompletedProcess[str]]


def clean_environment(home: Path) -> dict[str, str]:
    """This process's environment without anything that would configure agentbatch."""
    return {**without_settings(home), "COLUMNS": "80", "PATH": SEARCHED}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "project"
    place.mkdir()
    (tmp_path / "home").mkdir()
    return place


@pytest.fixture
def environ(folder: Path) -> dict[str, str]:
    return clean_environment(folder.parent / "home")


@pytest.fixture
def agentbatch(folder: Path, environ: dict[str, str]) -> Command:
    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return commands.run(*arguments, cwd=folder, env={**environ, **variables})

    return run
