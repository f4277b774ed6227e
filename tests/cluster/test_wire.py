"""What comes from a node is data: nothing else can be made of it at home."""

import errno
import os
import pickle
from typing import Any

import pytest

from agentbatch.cluster.exchange.wire import Unreadable, pack, pack_error, read_error, unpack
from agentbatch.errors import UserError
from agentbatch.workspace.workspace import CommandResult, ToolResult


class Runs:
    def __reduce__(self) -> Any:
        return os.system, ("true",)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80\x05",
        pickle.dumps(Runs()),
        pickle.dumps(eval),
        pickle.dumps(UserError("x")),
        pickle.dumps(pickle.Unpickler),
        b"cagentbatch.workspace.workspace\nhashlib\n.",
        b"cagentbatch.workspace.workspace\nWorkspace\n.",
        b"cagentbatch.cluster.exchange.snapshots\nNodeSnapshots\n.",
        b"cagentbatch.cluster.exchange.snapshots\ndifference\n.",
        b"cos\nsystem\n.",
        b"]" * 100_000,
    ],
)
def test_what_is_no_data_is_refused(data: bytes) -> None:
    with pytest.raises(Unreadable):
        unpack(data)


@pytest.mark.parametrize(
    "value",
    [
        None,
        1,
        b"x",
        "\udcff",
        ("ok", [1.5, {"a": (True,)}]),
        ToolResult("x"),
        CommandResult(0, "", False, False, 0.1, ""),
    ],
)
def test_plain_data_and_the_types_of_the_door_pass(value: object) -> None:
    assert unpack(pack(value)) == value


@pytest.mark.parametrize(
    ("error", "read"),
    [
        (UserError("Mend it."), UserError("Mend it.")),
        (OSError(errno.ENOSPC, "No space left on device"), OSError(errno.ENOSPC, "No space left on device")),
        (
            FileNotFoundError(errno.ENOENT, "No such file", "/x"),
            FileNotFoundError(errno.ENOENT, "No such file"),
        ),
        (OSError("words alone"), OSError("words alone")),
    ],
)
def test_errors_pass_as_words(error: OSError | UserError, read: OSError | UserError) -> None:
    found = read_error(unpack(pack(pack_error(error))))
    assert (type(found), str(found), getattr(found, "errno", None)) == (
        type(read),
        str(read),
        getattr(read, "errno", None),
    )


@pytest.mark.parametrize("given", [None, ("user",), ("other", 1, "x"), ("os", "1", 2)])
def test_an_error_without_words_is_none_of_ours(given: object) -> None:
    with pytest.raises(Unreadable):
        read_error(given)
