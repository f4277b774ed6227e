"""Out of the sandbox: keys read by another way, places reached that are not the task's, the machine changed."""

import pytest

from agentbatch.workspace.sandbox.sandbox import SandboxChoice
from tests.support.red_team import KEY, Attempt, BuildHouse, House, Outcome, differences, tried

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
