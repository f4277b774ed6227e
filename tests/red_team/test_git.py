"""Through git: programs that a repository's settings name, run by us outside the sandbox or by the user afterwards."""

import asyncio
import os
import subprocess
from pathlib import Path

import pytest

from agentbatch.workspace.isolation.isolation import Isolation
from agentbatch.workspace.isolation.worktree.repository import check_worktrees
from agentbatch.workspace.sandbox.sandbox import SandboxChoice, choose_sandbox
from agentbatch.workspace.watch.git_control import read_only_in
from agentbatch.workspace.watch.watch import begin_watch, end_watch
from tests.support.red_team import Attempt, BuildHouse, House, Outcome, as_user, attempts, build_house, tried

UNSANDBOXED = attempts(r"""
== filter-smudge
echo "$NAME.txt filter=$NAME" >> .git/info/attributes; git config filter.$NAME.smudge "$RUN; cat"
== filter-clean
echo "$NAME.txt filter=$NAME" >> .git/info/attributes; git config filter.$NAME.clean "$RUN; cat"
== filter-process
echo "$NAME.txt filter=$NAME" >> .git/info/attributes; git config filter.$NAME.process "$RUN; cat"
== filter-with-signs
echo 'signs.txt filter=a=b.c' >> .git/info/attributes; git config 'filter.a=b.c.smudge' "$RUN"
== filter-in-capitals
echo 'capitals.txt filter=CAPS' >> .git/info/attributes; printf '[FILTER "CAPS"]\n\tSMUDGE = %s\n' "$RUN" >> .git/config
== filter-of-an-included-file
git config -f ../evil.cfg filter.inc.smudge "$RUN"; echo 'include.txt filter=inc' >> .git/info/attributes
git config include.path $HOUSE/home/evil.cfg
== filter-included-for-a-folder
git config -f ../evil2.cfg filter.inf.clean "$RUN"; echo 'folder.txt filter=inf' >> .git/info/attributes
git config includeIf.gitdir:/.path $HOUSE/home/evil2.cfg
== filter-of-the-worktree
git config extensions.worktreeConfig true; git config -f .git/config.worktree filter.wt.smudge "$RUN"
echo 'wt.txt filter=wt' >> .git/info/attributes
== file-watcher
git config core.fsmonitor "$RUN"
== hooks-elsewhere
mkdir -p hk; git config core.hooksPath $PROJECT/hk
for h in post-checkout reference-transaction post-index-change pre-commit; do
  printf '#!/bin/sh\n%s\n' "$RUN" > hk/$h; chmod +x hk/$h; done
== hooks
mkdir -p .git/hooks
for h in post-checkout reference-transaction post-index-change pre-auto-gc post-rewrite; do
  printf '#!/bin/sh\n%s\n' "$RUN" > .git/hooks/$h; chmod +x .git/hooks/$h; done
== signer
git config commit.gpgSign true; printf '#!/bin/sh\n%s\n' "$RUN" > signer; chmod +x signer
git config gpg.program $PROJECT/signer
== differ
git config diff.external "$RUN"; git config diff.x.textconv "$RUN"; git config diff.x.command "$RUN"
echo '*.md diff=x' >> .git/info/attributes
== merger
git config merge.x.driver "$RUN"; echo '*.md merge=x' >> .git/info/attributes
== alias
git config alias.status "!$RUN"; git config alias.add "!$RUN"
== pager-and-editor
git config core.pager "$RUN"; git config core.editor "$RUN"; git config sequence.editor "$RUN"
== partial-clone
git config extensions.partialClone evil; git config remote.evil.url "ext::sh -c '$RUN'"
git config remote.evil.promisor true; git config protocol.ext.allow always
== partial-clone-ssh
git config remote.evil2.url ssh://x/y; git config remote.evil2.promisor true; git config core.sshCommand "$RUN"
== partial-clone-upload-pack
git config remote.evil3.url $PROJECT; git config remote.evil3.promisor true; git config remote.evil3.uploadpack "$RUN;"
== password-helper
git config credential.helper "!$RUN"; git config core.askPass "$RUN"
== submodule
git config submodule.x.update "!$RUN"; git config submodule.recurse true; git config status.submoduleSummary true
== alternate-refs
git config core.alternateRefsCommand "$RUN"; git config core.gitProxy "$RUN"
== maintenance
git config gc.auto 1; git config maintenance.auto true; git config gc.recentObjectsHook "$RUN"
== hook-by-setting
git config hook.x.command "$RUN"; git config hook.x.event post-index-change
""")
"""What a coder does to the user's repository where nothing keeps it from that: our git must run none of it."""

SANDBOXED = attempts(r"""
== config-filter
git config filter.x.clean "$RUN"; printf '[filter "x"]\n clean = %s\n' "$RUN" >> .git/config
echo '* filter=x' > .gitattributes
== config-replaced
printf '[core]\n fsmonitor = %s\n' "$RUN" > c; mv -f c .git/config; cp -f c .git/config; ln -sf ../c .git/config
== config-locked
printf '[core]\n fsmonitor = %s\n' "$RUN" > .git/config.lock; mv .git/config.lock .git/config; rm -f .git/config.lock
== hook
printf '#!/bin/sh\n%s\n' "$RUN" > .git/hooks/post-index-change; chmod +x .git/hooks/post-index-change
== hook-folder-replaced
mv .git/hooks .git/h2; mkdir -p h; printf '#!/bin/sh\n%s\n' "$RUN" > h/pre-commit; chmod +x h/*; mv h .git/hooks
== attributes
echo '* filter=x' > .git/info/attributes
== repository-renamed
mv .git .git-old; mkdir .git
== repository-replaced
rm -rf .git/config .git/hooks; git init -q .; git config core.fsmonitor "$RUN"
== repository-by-a-file
mkdir -p own; git init -q --bare own; echo "gitdir: own" > .git
== repository-in-capitals
cp -r .git .GIT; git -C .GIT config core.fsmonitor "$RUN"; rm -rf .GIT
== submodule-settings
mkdir -p .git/modules/s; echo x > .git/modules/s/config
== common-folder
mkdir -p evil; cp -r .git/objects .git/refs evil/
printf '[core]\n repositoryformatversion=0\n fsmonitor=%s\n' "$RUN" > evil/config; echo "$PWD/evil" > .git/commondir
== settings-of-the-worktree
printf '[core]\n fsmonitor = %s\n' "$RUN" > .git/config.worktree
== worktree-of-the-user
for w in .git/worktrees/*; do echo "$PWD/evil" > $w/commondir; done
== nested-repository
mkdir -p sub; git init -q sub; git -C sub config core.fsmonitor "$RUN"; git -C sub config user.name x
== nested-hook
mkdir -p sub2; git init -q sub2; printf '#!/bin/sh\n%s\n' "$RUN" > sub2/.git/hooks/pre-commit
chmod +x sub2/.git/hooks/pre-commit
== nested-pointer
mkdir -p sub3 store; git init -q --bare store; git -C store config core.fsmonitor "$RUN"
echo 'gitdir: ../store' > sub3/.git
== settings-of-the-user
git config --global core.fsmonitor "$RUN"; echo x > ~/.gitconfig; mkdir -p ~/.config/git; echo x > ~/.config/git/config
""")
"""What it tries in the sandbox, where the user's repository is the task's own directory. It may commit."""

Guarded = tuple[House, list[str], dict[str, Outcome]]

FILES = (
    "filter-smudge",
    "filter-clean",
    "filter-process",
    "signs",
    "capitals",
    "include",
    "folder",
    "wt",
    "gone",
    "plain",
)


def git(house: House, *words: str, check: bool = True) -> str:
    """What the user types in the project."""
    command = ["git", "-c", "user.name=U", "-c", "user.email=u@example.org", *words]
    env = {"PATH": os.environ["PATH"], "HOME": str(house.home), "GIT_PAGER": "cat"}
    done = subprocess.run(command, cwd=house.project, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0 or not check, done.stderr
    return done.stdout


def make_repository(house: House) -> None:
    git(house, "init", "-q", "-b", "main")
    for name in FILES:
        (house.project / f"{name}.txt").write_text(f"{name}\n")
    (house.project / ".gitignore").write_text(".env\n.agentbatch\nconf\n")
    git(house, "add", "-A")
    git(house, "commit", "-q", "-m", "first")


def user_s_day(house: House) -> None:
    """What the user does next."""
    for name in FILES:
        (house.project / f"{name}.txt").write_text("of the user\n")
    for words in ("status", "diff HEAD", "add -A", "commit -m x", "diff HEAD", "reset -q --hard"):
        git(house, *words.split(), check=False)


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> House:
    house = build_house(tmp_path_factory.mktemp("house"), "home/project")
    make_repository(house)
    tried(house, UNSANDBOXED, choose_sandbox("none"))
    return house


async def our_git(house: House) -> None:
    """All that we do with git: the check, a worktree, its work committed, found again, removed."""
    environ = house.environ()
    check_worktrees([house.project], environ)
    places = Isolation("r1", environ)
    folder = house.folder / "runs/work"
    for _ in range(2):
        place = await places.make("worktree", house.project, folder, task_id="t")
        for name in FILES:
            (place.root / f"{name}.txt").write_text(f"changed {name}\n")
        await places.keep(place, "work")
        await places.remove(place)
    await places.discard(folder)


@pytest.fixture(scope="module")
def ours(attacked: House) -> House:
    asyncio.run(our_git(attacked))
    return attacked


@pytest.mark.parametrize("attempt", UNSANDBOXED, ids=lambda a: a.name)
def test_our_git_runs_nothing_that_a_repository_names(attempt: Attempt, ours: House) -> None:
    assert attempt.name not in ours.proofs()


def test_the_user_s_git_would_run_them(ours: House) -> None:
    """What the attempts above are worth: were they harmless, that they fail would say nothing."""
    user_s_day(ours)
    assert len(ours.proofs()) >= 10, ours.proofs()


@pytest.fixture(scope="module")
def guarded(
    bubblewrap: SandboxChoice, build: BuildHouse, user: int | None
) -> tuple[House, list[str], dict[str, Outcome]]:
    """The house after a turn in the sandbox and the user's next day, and what was told of it."""
    house = build("home/project")
    as_user(user, lambda: make_repository(house))
    config = (house.project / ".git/config").read_text()

    def act() -> dict[str, Outcome]:
        begin_watch(house.root, [], house.folder / "task", resume=False)
        return tried(house, [*SANDBOXED, WORK], bubblewrap, guarded=read_only_in(house.root))

    done = as_user(user, act)
    told = as_user(user, lambda: end_watch(house.root, [], house.folder / "task"))
    told += [".git/config"] * ((house.project / ".git/config").read_text() != config)
    as_user(user, lambda: user_s_day(house))
    return house, told, done


WORK = Attempt(
    "work",
    "echo new > new.txt; git add new.txt; git -c user.name=C -c user.email=c@x commit -qm work && echo done",
)


@pytest.mark.parametrize("attempt", SANDBOXED, ids=lambda a: a.name)
def test_the_user_s_next_git_runs_nothing(attempt: Attempt, guarded: Guarded) -> None:
    assert attempt.name not in guarded[0].proofs()


def test_a_task_may_commit_and_what_it_left_for_git_is_told(
    guarded: Guarded,
) -> None:
    house, told, done = guarded
    assert done["work"].output.endswith("done\n")
    assert len(told) == 1
    for path in (
        ".git/commondir",
        ".git/config.worktree",
        "sub/.git/config",
        "sub2/.git/hooks/pre-commit",
        "sub3/.git",
    ):
        assert path in told[0]
    assert not (house.project / ".git/commondir").exists()


def test_what_mercurial_obeys_is_read_only_and_told(tmp_path: Path) -> None:
    root = tmp_path / "project"
    (root / ".hg").mkdir(parents=True)
    (root / ".hg/hgrc").write_text("[paths]\n")
    assert read_only_in(root) == [root / ".hg/hgrc"]
    begin_watch(root, [], tmp_path / "record", resume=False)
    assert end_watch(root, [], tmp_path / "record") == []
    (root / ".hg/hgrc").write_text("[hooks]\npre-status = touch proof\n")
    (root / ".jj/repo").mkdir(parents=True)
    (root / ".jj/repo/config.toml").write_text("")
    (notice,) = end_watch(root, [], tmp_path / "record")
    assert ".hg/hgrc" in notice
    assert ".jj/repo/config.toml" in notice
