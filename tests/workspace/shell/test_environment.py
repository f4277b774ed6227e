"""No key gets into the shell; what tools need does."""

from pathlib import Path

import pytest

from agentbatch.workspace.sandbox.sandbox import Sandbox
from agentbatch.workspace.shell.environment import UNATTENDED, container_environment, shell_environment
from agentbatch.workspace.shell.shell import Shell
from tests.support.keys import KEY

NAMES = ("OPENAI_API_KEY", "CODER_API_KEY")
BASE = {"PATH": "/usr/bin:/bin", "HOME": "/home/u", "LC_ALL": "C.UTF-8", "OPENAI_API_KEY": KEY}


@pytest.mark.parametrize(
    ("name", "value", "passes"),
    [
        ("PYENV_ROOT", "/home/u/.pyenv", True),
        ("LC_TIME", "C", True),
        ("SSL_CERT_FILE", "/etc/ssl/x.pem", True),
        ("AWS_SECRET_ACCESS_KEY", "x", False),
        ("GITHUB_TOKEN", "x", False),
        ("SSH_AUTH_SOCK", "/run/x", False),
        ("CODER_API_KEY", "x", False),
        ("LD_PRELOAD", "/x.so", False),
        ("BASH_ENV", "/x.sh", False),
        ("HTTPS_PROXY", "http://proxy:3128", True),
        ("HTTPS_PROXY", "http://user:pass@proxy:3128", False),
        ("HTTPS_PROXY", "user:pass@proxy:3128", False),
        ("PIP_INDEX_URL", "https://pypi.example/simple", True),
        ("PIP_INDEX_URL", "https://token@pypi.example/simple", False),
        ("PIP_EXTRA_INDEX_URL", "https://a/simple https://u:p@b/simple", False),
        ("GOPROXY", "https://u:p@goproxy.example,direct", False),
        ("GOPROXY", "https://goproxy.example,direct", True),
        ("PIP_INDEX_URL", "http://[broken", False),
        ("GOFLAGS", f"-ldflags=-X=key={KEY}", False),
    ],
)
def test_the_allow_list(name: str, value: str, passes: bool) -> None:
    env = shell_environment({**BASE, name: value}, {}, NAMES)
    assert (env.get(name) == value) is passes
    assert KEY not in " ".join(env.values())


def test_tools_are_told_that_nobody_watches() -> None:
    env = shell_environment({**BASE, "TERM": "xterm", "PAGER": "less"}, {}, NAMES)
    assert (env["TERM"], env["PAGER"], env["GIT_TERMINAL_PROMPT"], env["PIP_NO_INPUT"]) == (
        "dumb",
        "cat",
        "0",
        "1",
    )


def test_the_tasks_own_variables_win_but_for_keys() -> None:
    extra = {
        "PAGER": "less",
        "MY_TOKEN": "mine",
        "HTTPS_PROXY": "http://u:p@proxy",
        "CODER_API_KEY": "sk-own",
    }
    env = shell_environment(BASE, extra, NAMES)
    assert {name: env.get(name) for name in extra} == {**extra, "CODER_API_KEY": None}


def test_a_placeholder_key_takes_nothing_else_away() -> None:
    env = shell_environment({**BASE, "CODER_API_KEY": "u"}, {}, NAMES)
    assert env["HOME"] == "/home/u"


async def test_env_in_bash_shows_no_key(tmp_path: Path) -> None:
    env = shell_environment({**BASE, "CODER_API_KEY": KEY, "OTHER": KEY}, {"A": "1"}, NAMES)
    shell = Shell(tmp_path, Sandbox("none"), env, tmp_path / "outputs")
    result = await shell.run("env; cat /proc/self/environ | tr '\\0' '\\n'; set; export")
    assert "A=1" in result.output
    assert KEY not in result.output
    assert "API_KEY" not in result.output


def test_a_container_gets_what_means_the_same_there() -> None:
    environ = {
        "PATH": "/home/me/bin:/bin",
        "HOME": "/home/me",
        "JAVA_HOME": "/opt/java",
        "LANG": "de_DE.UTF-8",
        "LC_ALL": "de_DE.UTF-8",
        "TZ": "Europe/Berlin",
        "HTTPS_PROXY": "http://proxy:80",
        "HTTP_PROXY": "http://me:secret@proxy:80",
        "AGENTBATCH_COMMAND": "mark",
        "OPENAI_API_KEY": "sk-0123456789abcdef",
    }
    found = container_environment(environ, {"LC_TIME": "C", "PATH": "/x"}, ["OPENAI_API_KEY"])
    assert {name: found[name] for name in found.keys() - UNATTENDED.keys()} == {
        "TZ": "Europe/Berlin",
        "HTTPS_PROXY": "http://proxy:80",
        "LC_TIME": "C",
        "PATH": "/x",
    }
