"""What is compiled, and could stand for a source."""

from agentbatch.workspace.files.compiled import clearing
from agentbatch.workspace.workspace import Snapshot


def left(*names: str, whole: bool = True) -> Snapshot:
    return Snapshot({}, left_out=dict.fromkeys(names, "x"), left_out_whole=whole)


def test_what_is_cleared() -> None:
    assert clearing(left(), left("node_modules/x/")) == "", "nothing there runs Python"
    assert clearing(left(), left("__pycache__/")).count("find . ") == 1
    assert clearing(left(), left(whole=False)).count("find . ") == 1
    installed = ".venv/it's/__pycache__/"
    assert clearing(left(installed), left(installed)) == "", "as it was installed"
    assert "bash './.venv/it'\"'\"'s/__pycache__'" in clearing(left(), left(installed))
    odd = clearing(left(), left(".venv/\udcff/__pycache__/"))
    assert "find . " in odd
    assert "-name .venv" not in odd
    many = clearing(left(), left(*(f"venv/{number:0200}/__pycache__/" for number in range(300))))
    assert len(many) < 2_000
    assert "-name venv" not in many
