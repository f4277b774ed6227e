"""Files are whole or as they were."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from agentbatch.files import write_atomic


def test_parts_that_fail_halfway_leave_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "out.jsonl"
    write_atomic(path, (f"{n}\n" for n in range(3)))
    path.chmod(0o640)

    def broken() -> Iterator[str]:
        yield "x" * 100_000
        raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        write_atomic(path, broken())
    assert path.read_text() == "0\n1\n2\n"
    write_atomic(path, "whole\r\n")
    assert path.read_bytes() == b"whole\r\n"
    assert path.stat().st_mode & 0o777 == 0o640
    assert [place.name for place in path.parent.iterdir()] == ["out.jsonl"]
