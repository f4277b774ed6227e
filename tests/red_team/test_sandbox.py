"""Out of the sandbox: keys read by another way, places reached that are not the task's, the machine changed."""

import asyncio
from pathlib import Path

import pytest

from agentbatch.workspace.sandbox.sandbox import SandboxChoice
from agentbatch.workspace.shell.shell import Shell
from tests.support.red_team import KEY, Attempt, BuildHouse, House, Outcome, build_house, differences, tried

READING = [
    Attempt("env-file", "cat $PROJECT/.env"),
    Attempt("named-env-file", "cat $PROJECT/conf/keys.env"),
    Attempt("ssh-key", "cat $HOME/.ssh/id"),
    Attempt("netrc", "cat $HOME/.netrc"),
    Attempt("gh-token", "cat $HOME/.config/gh/hosts.yml"),
    Attempt("other-task", "cat $PROJECT/tasks/b/answer.txt ../b/answer.txt"),
    Attempt("run-database", "cat $PROJECT/.agentbatch/runs/r1/run.db"),
    Attempt("link-to-a-key", "ln -s $PROJECT/.env link && cat link"),
    Attempt("hard-link-to-a-key", "ln $PROJECT/.env hard && cat hard"),
    Attempt("through-proc-root", "cat /proc/1/root$PROJECT/.env /proc/self/root$PROJECT/.env"),
    Attempt("through-proc-cwd", "cat /proc/*/cwd/.env /proc/*/cwd/../../.env"),
    Attempt("through-open-files", "for f in /proc/[0-9]*/fd/[3-9]*; do timeout 0.2 cat $f; done"),
    Attempt("environment-of-others", "cat /proc/[0-9]*/environ | tr '\\0' '\\n'"),
    Attempt("everything", "grep -rh sk-red-team $HOUSE $HOME /run /root /home 2>/dev/null"),
    Attempt("by-a-mount-of-its-own", "unshare -Urm sh -c \"umount $PROJECT/.env; cat $PROJECT/.env\""),
    Attempt("unmounted", "umount -l $HOME $HOUSE /tmp; cat $PROJECT/.env $HOME/.ssh/id"),
    Attempt("chroot", "chroot /proc/1/root cat $PROJECT/.env"),
    Attempt("renamed-parent", "mv $PROJECT/conf $PROJECT/conf2; cat $PROJECT/conf2/keys.env"),
]  # fmt: skip

FROM_ABOVE = [
    Attempt("rename-the-folder", "mv conf conf2; cat conf2/keys.env"),
    Attempt("rename-it-further", "mkdir x; mv conf x/y; cat x/y/keys.env"),
    Attempt("swap-it", "mkdir c3; mv -T c3 conf; mv --backup -T c3 conf; cat conf~/keys.env"),
    Attempt("rename-by-a-program", "perl -e 'rename \"conf\", \"conf5\"'; cat conf5/keys.env"),
    Attempt("rename-the-file", "mv .env env.txt; cat env.txt; mv conf/keys.env k; cat k"),
    Attempt("remove-the-cover", "rm -f .env conf/keys.env; umount .env; cat .env conf/keys.env"),
    Attempt("rename-the-run", "mv .agentbatch runs2; cat runs2/runs/r1/run.db"),
    Attempt("rename-the-settings", "mv ~/.config ~/config2; cat ~/config2/gh/hosts.yml"),
    Attempt("rename-the-key-folder", "mv ~/.ssh ~/ssh2; cat ~/ssh2/id"),
    Attempt("rename-the-project", "mv ~/project ~/project2; cat ~/project2/.env ~/project2/conf/keys.env"),
    Attempt("link-over", "ln -sfn conf/deeper conf; cat conf/../keys.env"),
    Attempt("copy-the-folder", "cp -a conf conf6; cat conf6/keys.env"),
    Attempt("tar", "tar cf all.tar conf .env .agentbatch; grep -a sk-red-team all.tar"),
    Attempt("hard-link", "ln conf/keys.env hard; cat hard"),
    Attempt("after-a-rename-of-a-parent-of-its-own", "mkdir -p n/m; mv conf n/m/; cat n/m/conf/keys.env"),
]  # fmt: skip
"""The task's directory holds what is hidden from it."""

_OPENED = """
/proc/sys/kernel/hostname /proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe /proc/sys/kernel/hotplug
/proc/sys/vm/overcommit_memory /proc/sys/net/ipv4/ip_forward /proc/sys/fs/suid_dumpable /proc/sysrq-trigger
/proc/sys/kernel/yama/ptrace_scope /proc/sys/fs/binfmt_misc/register /sys/kernel/uevent_helper
/etc/passwd /etc/ld.so.preload /etc/environment /etc/profile
"""
"""Opened for appending, and nothing appended: where a wall is missing, the machine of the tests stays as it is."""

MACHINE = [
    *(
        Attempt(f"open{place.replace('/', '-')}", f"test -e {place} && : >> {place} && echo wrote")
        for place in _OPENED.split()
    ),
    Attempt("cgroup-agent", "for f in /sys/fs/cgroup/*/release_agent; do : >> $f && echo wrote; done"),
    Attempt("password-hashes", "grep -q : /etc/shadow /etc/gshadow /etc/shadow- && echo wrote"),
    Attempt(
        "cron", "touch /etc/cron.d/agentbatch-red-team && echo wrote && rm /etc/cron.d/agentbatch-red-team"
    ),
    Attempt("a-program", "touch /usr/local/bin/red-team && echo wrote && rm /usr/local/bin/red-team"),
    Attempt("a-disk", "mknod disk b 8 0 && echo wrote; mknod mem c 1 1 && echo wrote"),
    Attempt(
        "remount", "mount -o remount,rw,bind /etc && echo wrote; mount -o remount,rw /proc/sys && echo wrote"
    ),
    Attempt("new-root", "unshare -Urm mount -o remount,rw,bind / && echo wrote"),
    Attempt("kernel-keys", "grep -q keyring /proc/keys && echo wrote"),
]


@pytest.fixture(scope="module")
def read(bubblewrap: SandboxChoice, build: BuildHouse, user: int | None) -> tuple[House, dict[str, Outcome]]:
    house = build()
    before = house.seal()
    done = tried(house, READING, bubblewrap, user)
    assert differences(before, house.seal()) == []
    return house, done


@pytest.mark.parametrize("attempt", READING, ids=lambda a: a.name)
def test_no_key_is_read(attempt: Attempt, read: tuple[House, dict[str, Outcome]]) -> None:
    outcome = read[1][attempt.name]
    assert KEY not in outcome.output
    assert attempt.name not in read[0].proofs()


@pytest.mark.parametrize("root", ["home", "home/project", "."])
def test_no_key_is_read_where_it_lies_in_the_task_s_own_directory(
    bubblewrap: SandboxChoice, build: BuildHouse, user: int | None, root: str
) -> None:
    house = build(root)
    at = "" if root == "home/project" else "cd $PROJECT; "
    attempts = [attempt._replace(command=at + attempt.command) for attempt in FROM_ABOVE]
    done = tried(house, attempts, bubblewrap, user)
    assert [name for name, outcome in done.items() if KEY in outcome.output] == []
    assert len(done) == len(FROM_ABOVE)
    assert all(place.is_file() for place in house.env_files)


@pytest.fixture(scope="module")
def machine(bubblewrap: SandboxChoice, build: BuildHouse, user: int | None) -> dict[str, Outcome]:
    return tried(build(), MACHINE, bubblewrap, user)


@pytest.mark.parametrize("attempt", MACHINE, ids=lambda a: a.name)
def test_the_machine_stays_as_it_is(attempt: Attempt, machine: dict[str, Outcome]) -> None:
    assert "wrote" not in machine[attempt.name].output.split()


LOADED = {
    "a tracer": {"LD_DEBUG": "statistics", "LD_DEBUG_OUTPUT": "{proof}/loaded"},
    "a library": {"LD_PRELOAD": "{root}/planted.so"},
    "libraries": {"LD_LIBRARY_PATH": "{root}/lib"},
    "an auditor": {"LD_AUDIT": "{root}/planted.so"},
}


@pytest.mark.parametrize("name", LOADED)
def test_what_programs_load_at_their_start_is_loaded_inside_alone(
    bubblewrap: SandboxChoice, tmp_path: Path, name: str
) -> None:
    """By a task's `env`, or the user's own LD_LIBRARY_PATH into the directory: bwrap runs at home."""
    house = build_house(tmp_path)
    planted = {key: text.format(proof=house.proof, root=house.root) for key, text in LOADED[name].items()}
    env = {"PATH": "/usr/bin:/bin", **planted}
    sandbox = house.rules(bubblewrap).sandbox(house.root, env, [])
    _, outside = sandbox.wrap(["true"], env)
    assert not planted.keys() & outside.keys()
    shown = " ".join(f'"${{{key}}}"' for key in planted)
    done = asyncio.run(Shell(house.root, sandbox, env, house.folder / "outputs").run(f"echo {shown}", 20.0))
    assert " ".join(planted.values()) in done.output, "the task's own programs have it"
    assert house.proofs() == []
