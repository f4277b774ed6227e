"""Settings of repositories that tasks make: which are told."""

from pathlib import Path

import pytest

from agentbatch.workspace.watch.git_control import control, told
from tests.workspace.repositories import git, make_repository, needs_git

MADE = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n\tlogallrefupdates = true\n"


@pytest.mark.parametrize(
    ("settings", "news"),
    [
        (MADE, False),
        (f"{MADE}[user]\n\tname = A B\n\temail = a@example.org\n[commit]\n\tgpgsign = false\n", False),
        (f'{MADE}[remote "o"]\n\turl = https://example.org/x.git\n\tfetch = +refs/heads/*:refs/remotes/o/*\n', False),
        (f'{MADE}[branch "main"]\r\n\tremote = o ; there\r\n\tmerge = refs/heads/main\r\n\r\n# ends\r\n', False),
        ("[core] fsmonitor = x\n", True),
        ("[core]\n\tfsmonitor = x\n", True),
        ("[core]\n\tsshcommand = x\n", True),
        ("[pager]\n\tlog = x\n", True),
        ("[interactive]\n\tdiffFilter = x\n", True),
        ('[trailer "x"]\n\tcmd = x\n', True),
        ('[submodule "x"]\n\tupdate = !x\n', True),
        ('[remote "o"]\n\turl = ext::x\n', True),
        ('[branch "main"]\n\tremote = ext::x\n', True),
        ('[remote "o"] url = x\n\tvcs = x\n', True),
        ("[user]\n\tname = a\\\n\n[core]\n\teditor = x\n", True),
        ("[include]\n\tpath = x\n", True),
        (f"{MADE}{'# nothing' * 200_000}\n[core]\n\tfsmonitor = x\n", True),
    ],
)  # fmt: skip
def test_settings_of_a_repository_that_a_task_makes(tmp_path: Path, settings: str, news: bool) -> None:
    (tmp_path / "sub/.git").mkdir(parents=True)
    (tmp_path / "sub/.git/config").write_bytes(settings.encode())
    assert told(tmp_path, {}, control(tmp_path)) == (["sub/.git/config"] if news else [])


@needs_git
def test_a_repository_as_git_makes_it_is_no_news(tmp_path: Path) -> None:
    make_repository(tmp_path / "source", {"a": "1\n"})
    (place := tmp_path / "place").mkdir()
    git(place, "clone", "--quiet", str(tmp_path / "source"), "clone")
    git(place, "init", "--quiet", "new")
    assert told(place, {}, control(place)) == []
