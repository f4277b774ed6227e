"""Files in shell commands: what comes out is what went in, however large and whatever is in the way."""

import os
import random
import subprocess
from pathlib import Path

import pytest

from agentbatch.tasks.imports.hidden_files import MAX_COMMAND, HiddenFile, in_batches, unpack_commands
from agentbatch.tasks.imports.imported import CannotImport


def test_files_come_out_as_they_went_in(tmp_path: Path) -> None:
    files = {
        "a b/ü'$(x).bin": HiddenFile(random.Random(1).randbytes(200_000)),
        "run.sh": HiddenFile(b"#!/bin/sh\n", True),
    }
    commands = unpack_commands(files)
    assert len(commands) > 3
    assert all(len(command) < 131_072 for command in commands)
    (tmp_path / "run.sh").symlink_to("/dev/null")
    (tmp_path / ".agentbatch-hidden.packed").mkdir()
    for command in commands:
        subprocess.run(["bash", "-c", command], cwd=tmp_path, check=True)
    for path, file in files.items():
        place = tmp_path / path
        assert (place.read_bytes(), place.stat().st_mode & 0o111 != 0) == file
    assert not (tmp_path / "run.sh").is_symlink()


def test_too_much_is_refused() -> None:
    with pytest.raises(CannotImport, match="more than 8 MB"):
        unpack_commands({"x": HiddenFile(os.urandom(6_400_000))})


def test_long_lists_of_tests_take_several_commands() -> None:
    names = dict.fromkeys(f"tests/test_{n}.py::test[a b]" for n in range(10_000))
    commands = list(in_batches("pytest", names))
    assert all(len(command) <= MAX_COMMAND + 100 for command in commands)
    assert sum(command.count("::test[a b]'") for command in commands) == 10_000
    assert list(in_batches("pytest", {})) == []
