"""agents/coders.toml: ours, the user's over it, and what is wrong in it, with its line."""

from pathlib import Path

import pytest

from agentbatch.errors import UserError
from agentbatch.tasks.coders.catalog.catalog import line_of, load_coders
from agentbatch.tasks.coders.catalog.entry import OURS


def write(folder: Path, text: str) -> Path:
    (folder / "agents").mkdir()
    file = folder / "agents" / "coders.toml"
    file.write_text(text)
    return file


def test_ours(tmp_path: Path) -> None:
    found = load_coders(tmp_path)
    assert next(iter(found)) == "builtin"
    assert found["builtin"].protocol == "builtin"
    assert not any(entry.own for entry in found.values())


def test_with_a_login_of_its_own_nothing_leads_a_coder_to_the_gateway(tmp_path: Path) -> None:
    for entry in load_coders(tmp_path).values():
        own = entry.logged_in()
        assert not own.gateway
        told = " ".join((*own.env.values(), *own.files.values(), *own.files))
        assert not OURS.search(told)
        assert "apiKeyHelper" not in told, "that would stand before the login"
        assert own.credentials == entry.credentials
        assert entry.without_login().credentials == ()
        if entry.protocol != "builtin" and entry.gateway:
            assert OURS.search(" ".join((*entry.env.values(), *entry.files.values()))), entry.name


def test_the_users_adds_to_ours_and_says_anew_what_it_names(tmp_path: Path) -> None:
    ours = load_coders(tmp_path)["codex"]
    write(
        tmp_path,
        '[mine]\nprotocol = "acp"\ncommand = ["my-agent", "--acp"]\n[codex]\nmemory = 999\nenv.MORE = "1"\n',
    )
    found = load_coders(tmp_path)
    assert (found["mine"].command, found["mine"].api, found["mine"].own) == (
        ("my-agent", "--acp"),
        "chat",
        True,
    )
    theirs = {"memory": 999, "env": {**ours.env, "MORE": "1"}, "own": True}
    assert found["codex"] == ours.model_copy(update=theirs)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[mine]\ncommand = [\n", "not valid TOML: Invalid value (at end of document)."),
        ("x = 1\n", "line 1: x stands in no table; each coder is one, like [my-agent]."),
        ("\n[My Agent]\n", "not valid TOML"),
        ('\n["My Agent"]\n', "line 2: [My Agent] is no name for a coder"),
        ('[mine]\ncommand = ["x"]\n', "line 1: [mine] protocol: is missing."),
        ('[mine]\nprotocol = "acp"\n', "line 1: [mine]: command is missing, like"),
        (
            '[mine]\ncommand = ["x"]\nprotocol = "mcp"\n',
            "line 3: [mine] protocol: must be 'builtin', 'acp' or",
        ),
        (
            '[a]\nprotocol = "acp"\ncommand = ["x"]\n[b]\nprotocol = "acp"\ncomand = ["x"]\n',
            "line 6: [b]: unknown",
        ),
        (
            '[mine]\nprotocol = "acp"\ncommand = ["x"]\ncredentials = ["/e"]\n',
            "line 4: [mine] credentials: '/e' is no file",
        ),
        (
            '[mine]\nprotocol = "acp"\ncommand = ["x"]\nenv = {A = 1}\n',
            "line 4: [mine] env.A: must be text, not 1.",
        ),
        (
            '[mine]\nprotocol = "acp"\ncommand = ["x"]\nenv = {A-B = "1"}\n',
            "line 4: [mine] env: 'A-B' is not a name",
        ),
        (
            '[mine]\nprotocol = "command"\ncommand = ["x", "{promt}"]\n',
            "line 3: [mine] command: {promt} stands for nothing, {prompt} may be meant.",
        ),
        ('[mine]\nprotocol = "acp"\ncommand = "x"\n', "line 3: [mine] command: must be a list, not 'x'."),
    ],
)
def test_what_is_wrong(tmp_path: Path, text: str, told: str) -> None:
    file = write(tmp_path, text)
    with pytest.raises(UserError) as error:
        load_coders(tmp_path)
    assert f"{file}: {told}" in str(error.value)


TEXT = """\
# a comment
[one]
env = {X = "y"}
[one.files]
".config/x" = "z"
[two]
# one
command = [
  "one",
]
"""


@pytest.mark.parametrize(
    ("table", "key", "line"),
    [
        ("one", "", 2),
        ("one", "env", 3),
        ("one", "files", 4),
        ("two", "", 6),
        ("two", "command", 8),
        ("two", "x", 6),
    ],
)
def test_the_line(table: str, key: str, line: int) -> None:
    assert line_of(TEXT, table, key) == line
