"""Folders that are no part of a task's result: version control, installed packages, caches."""

from pathlib import Path

from agentbatch.store.run_folder import STATE_FOLDER

_NAMES = """
.git .hg .svn .jj node_modules bower_components __pycache__ .venv venv .tox .nox .eggs
.mypy_cache .pytest_cache .ruff_cache .hypothesis .cache .gradle .terraform .next .nuxt .turbo .parcel-cache
"""
IGNORED_FOLDERS = frozenset([*_NAMES.split(), STATE_FOLDER])

MARKERS = ("pyvenv.cfg", "CACHEDIR.TAG")
"""Files that say so of a folder of any name: a Python venv; a cache, such as Rust's target/ (by
bford.info/cachedir)."""


def is_ignored(folder: Path) -> bool:
    return folder.name in IGNORED_FOLDERS or any((folder / marker).is_file() for marker in MARKERS)
