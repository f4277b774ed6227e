"""Folders that are no part of a task's result: version control, installed packages, caches."""

import os
from pathlib import Path

from agentbatch.files import STATE_FOLDER

_NAMES = """
.git .hg .svn .jj node_modules bower_components __pycache__ .venv venv .tox .nox .eggs
.mypy_cache .pytest_cache .ruff_cache .hypothesis .cache .gradle .terraform .next .nuxt .turbo .parcel-cache
"""
IGNORED_FOLDERS = frozenset([*_NAMES.split(), STATE_FOLDER])


def is_ignored(folder: Path) -> bool:
    return is_ignored_name(str(folder.parent), folder.name)


def is_ignored_name(parent: str, name: str) -> bool:
    """By its name alone: a file inside that says so (CACHEDIR.TAG, pyvenv.cfg) can be put anywhere by the coder, to
    hide from the evaluator what is there."""
    return name in IGNORED_FOLDERS or (
        name == "target" and os.path.isfile(os.path.join(parent, "Cargo.toml"))
    )
