from pathlib import Path

import pytest

from agentbatch.errors import UserError
from agentbatch.tasks.agents.definition import load_evaluator
from agentbatch.tasks.agents.prompts import VARIABLES, Prompts
from agentbatch.tasks.agents.resources import find_resource, resource_folders
from agentbatch.tasks.coders.builtin.action_words import action_words
from agentbatch.tasks.coders.builtin.definition import load_coder

VALUES = {
    "workdir": "/w",
    "system": "Linux",
    "sandbox": "none",
    "network": True,
    "tools": ["bash"],
    "servers": [],
    "max_steps": 7,
}


def own(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_safety_stands_in_front_of_every_system_prompt(tmp_path: Path) -> None:
    prompts = Prompts(tmp_path, ["coder.md"], ["evaluator.md"])
    for system in (prompts.system("coder.md", **VALUES), prompts.system("evaluator.md")):
        assert system.startswith("Rules above everything")
    assert "You have 7 steps" in prompts.system("coder.md", **VALUES)


def test_the_shipped_templates_hold_what_a_users_own_must(tmp_path: Path) -> None:
    """Those are checked at each start; the shipped ones here."""
    shipped = {path.name: path for path in resource_folders("prompts", tmp_path)[0].glob("*.md")}
    for name, path in shipped.items():
        own(tmp_path, f"prompts/{name}", path.read_text(encoding="utf-8"))
    coder, evaluator = load_coder(tmp_path).prompts, load_evaluator(tmp_path).prompts
    assert set(shipped) == {*VARIABLES, *coder, *evaluator}
    Prompts(tmp_path, coder, evaluator)


def test_the_users_own_files_win_one_by_one(tmp_path: Path) -> None:
    before = Prompts(tmp_path, ["coder.md"], ["evaluator.md"])
    own(tmp_path, "prompts/safety.md", "Be kind.")
    prompts = Prompts(tmp_path, ["coder.md"], ["evaluator.md"])
    assert prompts.system("coder.md", **VALUES).startswith("Be kind.\n\nYou are the Coder")
    assert prompts.digest != before.digest
    own(
        tmp_path, "agents/coder.toml", 'prompt = "mine.md"\ntools = ["bash", "finish"]\n[limits]\nsteps = 3\n'
    )
    own(tmp_path, "prompts/mine.md", "I am {{ workdir }}.")
    coder = load_coder(tmp_path)
    assert (coder.tools, coder.limits.steps, coder.limits.format_errors) == (("bash", "finish"), 3, 3)
    assert Prompts(tmp_path, coder.prompts, ["evaluator.md"]).render("mine.md", **VALUES) == "I am /w."
    assert load_evaluator(tmp_path).limits.attempts == 3


def test_untrusted_text_in_a_prompt_is_not_a_template(tmp_path: Path) -> None:
    prompts = Prompts(tmp_path, ["coder.md"], ["evaluator.md"])
    values = {**VALUES, "workdir": "{{ 7 * 7 }} <b>&</b>"}
    assert "{{ 7 * 7 }} <b>&</b>" in prompts.render("coder.md", **values)


@pytest.mark.parametrize("name", ["../x.md", "sub/x.md", "/etc/passwd"])
def test_a_resource_lies_directly_in_its_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="directly in prompts/"):
        find_resource("prompts", name, tmp_path)


def test_the_order_of_the_folders(tmp_path: Path) -> None:
    (tmp_path / "agents").mkdir()
    folders = resource_folders("agents", tmp_path)
    assert folders[0] == tmp_path / "agents"
    assert len(folders) >= 2


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ({"kind": "follow_up", "follow_up": "Do b."}, "Do b."),
        ({"kind": "follow_up"}, "Your work is not accepted yet. Go through the task once more"),
        ({"kind": "change_approach", "follow_up": "Do b."}, "change your approach"),
        ({"kind": "follow_up", "missing": ["one", "two"]}, "Still missing:\n- one\n- two"),
        (
            {
                "kind": "follow_up", "verify_failed": True, "verify_command": "make", "verify_tail": "E",
                "verify_end": "exit code 1",
            },
            "$ make\nE\n(exit code 1)\n\nRead the error, mend its cause",
        ),
        ({"kind": "follow_up", "question": True}, "Nobody answers questions here"),
        ({"kind": "follow_up", "circles": "ran in circles"}, "Your turn was ended, because you ran in circles."),
    ],
)  # fmt: skip
def test_follow_ups(tmp_path: Path, values: dict[str, object], shown: str) -> None:
    defaults: dict[str, object] = {"follow_up": "", "missing": [], "verify_failed": False, "verify_told": ""}
    defaults |= {"question": False, "circles": "", "words": action_words("native")}
    text = Prompts(tmp_path, ["coder.md"], ["evaluator.md"]).render("follow_up.md", **{**defaults, **values})
    assert shown in text
    assert "None" not in text


@pytest.mark.parametrize(
    ("kind", "values", "shown"),
    [
        ("failing_command", {"count": 3, "subject": "make"}, "failed the same way 3 times: make\nRunning it again"),
        ("failing_command", {"count": 3, "subject": "make", "error": "E: no", "place": "a.c:3"},
         "The error: E: no\nWhere: a.c:3"),
        ("failing_edit", {"count": 2, "subject": "a.py"}, "The same edit of a.py has failed 2 times."),
        ("same_content", {"subject": "a.py"}, "a.py holds exactly that already"),
        ("same_content", {"subject": "a.py", "error": "E: no", "place": "a.py:3"},
         "The last error was: E: no (a.py:3)"),
        ("back_and_forth", {"subject": "a.py", "error": "E: no"}, "The last error was: E: no\nKeep neither"),
        ("repeat", {"count": 3}, "with the same result 3 times"),
        ("unseen_failure", {}, "Not finished: a call before this one failed."),
        ("run_first", {}, "nothing has been run since your last change"),
        ("no_tools", {}, "text alone changes nothing"),
    ],
)  # fmt: skip
def test_nudges(tmp_path: Path, kind: str, values: dict[str, object], shown: str) -> None:
    given: dict[str, object] = {"count": 0, "notice": "", "subject": "", "error": "", "place": "", **values}
    given["words"] = action_words("native")
    text = Prompts(tmp_path, ["coder.md"], ["evaluator.md"]).render("nudge.md", kind=kind, **given)
    assert shown in text
    assert "None" not in text
    assert "\n\n" not in text


@pytest.mark.parametrize(
    ("checks", "shown"),
    [
        (["make"], "When you finish, this is run and must pass: `make`"),
        (["make", "x -y"], "When you finish, these are run and must pass:\n`make`\n`x -y`"),
    ],
)
def test_the_coder_is_told_of_its_checks(tmp_path: Path, checks: list[str], shown: str) -> None:
    prompts = Prompts(tmp_path, ["coder.md"], ["evaluator.md"])
    assert prompts.render("checks.md", words=action_words("native"), checks=checks, brief=False) == shown
    assert "is checked for you" in prompts.render(
        "checks.md", words=action_words("native"), checks=checks, brief=True
    )


def test_the_evaluators_tools_are_not_chosen(tmp_path: Path) -> None:
    own(tmp_path, "agents/evaluator.toml", "tools = []\n")
    assert load_evaluator(tmp_path).tools == ()
    own(tmp_path, "agents/evaluator.toml", 'tools = ["bash"]\n')
    with pytest.raises(
        UserError, match=r"evaluator.toml: tools: cannot be chosen .* in \[limits\] it does not\.$"
    ):
        load_evaluator(tmp_path)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("coder.md", "Reply in the language of the task"),
        ("evaluator.md", "Write `text`, `missing` and `follow_up_prompt` in the language of the task"),
        ("own_checks_writer.md", "Write `requirement` in the language of the task"),
    ],
)
def test_whoever_writes_for_the_task_is_told_its_language(tmp_path: Path, name: str, what: str) -> None:
    assert what in find_resource("prompts", name, tmp_path).read_text(encoding="utf-8")
