"""Hands that end as they are told to do not take the run's folder with them, in which the next task already is."""

import asyncio
import shutil
import tempfile
from pathlib import Path

import pytest

from agentbatch.cluster.exchange.terms import Posting, Walls
from agentbatch.cluster.exchange.wire import pack, unpack
from agentbatch.cluster.node.folder import NodeFolder
from agentbatch.cluster.node.hands import Hands
from agentbatch.workspace.workspace import Order


async def test_a_folder_that_is_being_removed_at_the_end_is_no_sign_of_a_later_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    order = Order("t", "/work", "none", {}, ("bash",), 60.0)
    hands = Hands(pack(Posting("mark", 1, order, Walls("none", network=True), shared=False)))
    forgotten: list[bool] = []

    class Folder(NodeFolder):
        def remove(self) -> None:
            shutil.rmtree(self.path)
            forgotten.append(hands._is_forgotten())
            super().remove()

    hands._folder = Folder("mark", "t", 1)
    assert unpack(await hands.arrive())[0] == "ok"
    assert hands._watch is not None
    hands._watch.cancel()  # it would end this process
    await asyncio.wait({hands._watch})
    assert not hands._is_forgotten()
    assert unpack(await hands.end()) == ("ok", ())
    assert forgotten == [False]
