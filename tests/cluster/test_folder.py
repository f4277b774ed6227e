"""A task's folder on a node passes from one lease to the next, whatever the earlier one does last."""

import asyncio
import tempfile
from pathlib import Path

import pytest

from agentbatch.cluster.node.folder import NodeFolder
from tests.support.waiting import until


@pytest.fixture(autouse=True)
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


async def test_a_lease_that_waited_while_the_one_before_removed_all() -> None:
    earlier, later = NodeFolder("run", "t1", 1), NodeFolder("run", "t1", 2)
    await asyncio.to_thread(earlier.take)
    taking = asyncio.ensure_future(asyncio.to_thread(later.take))
    await until(earlier.fenced)
    earlier.remove()
    await taking
    assert not later.fenced()
    assert later.path.is_dir()
    later.remove()
    assert not later.path.exists()
