"""Which commands a text states with their output: tables."""

import pytest

from agentbatch.tasks.evaluator.checks.facts.stated.commands import command_line, stated_commands
from agentbatch.tasks.evaluator.checks.facts.stated.example import StatedCommand
from agentbatch.tasks.evaluator.checks.facts.stated.stated import stated_examples


def commands(text: str) -> list[tuple[str, tuple[str, ...]]]:
    found = [example for example in stated_examples(text) if isinstance(example, StatedCommand)]
    return [(example.command, example.lines) for example in found]


@pytest.mark.parametrize(
    ("text", "command", "lines"),
    [
        ("`python3 prog.py 5` prints `8`.", "python3 prog.py 5", ("8",)),
        ("`python3 prog.py 5` should print exactly `8`", "python3 prog.py 5", ("8",)),
        ('`./run.sh a` outputs "Ab c"', "./run.sh a", ("Ab c",)),
        ("`node a.js 2` prints 4.", "node a.js 2", ("4",)),
        ("`echo 'a b' | python3 w.py` prints `2` and exits with 0.", "echo 'a b' | python3 w.py", ("2",)),
        ("`python3 a.py 3` prints:\n\n```\n1\n2\n\n```\n", "python3 a.py 3", ("1", "2")),
        (
            "`sh a.sh b c` prints\n\n    3 b\n    3 total\n\nThen end.",
            "sh a.sh b c",
            ("    3 b", "    3 total"),
        ),
        ("`sh a.sh b c` prints:\n    1\n", "sh a.sh b c", ("    1",)),
        ("`sh a.sh b c` prints\n`x`.", "sh a.sh b c", ("x",)),
        ("运行 `python3 a.py 3` 输出 `6`。", "python3 a.py 3", ("6",)),
        ("运行 `python3 a.py 3` 会输出 `6`。", "python3 a.py 3", ("6",)),
        ("執行 `python3 a.py 3` 會輸出「6」。", "python3 a.py 3", ("6",)),
        ("`python3 a.py 3` を実行すると「6 個」と表示する。", "python3 a.py 3", ("6 個",)),
        ("`python3 a.py 3` は `6` を出力します。", "python3 a.py 3", ("6",)),
        ("`python3 a.py 3` の出力は `6` です。", "python3 a.py 3", ("6",)),
        ("`python3 -B a.py x` shows `y`", "python3 -B a.py x", ("y",)),
        ("`bash a.sh x` must print `y`; else it is wrong.", "bash a.sh x", ("y",)),
    ],
)
def test_what_is_stated(text: str, command: str, lines: tuple[str, ...]) -> None:
    assert commands(text) == [(command, lines)]


@pytest.mark.parametrize(
    "text",
    [
        "`python3 a.py N` prints `8`.",
        "`python3 a.py 5` は `out.txt` を作成します。",
        "`python3 a.py 5` を実行すると `out.txt` ができる。",
        "`python3 a.py 5` は `6` を出力しない。",
        "`python3 a.py 5` を実行しても `6` が表示されない。",
        "`python3 a.py 5` を実行すると「6」が表示されません。",
        "`python3 a.py 5` の出力は `6` ではない。",
        "`python3 a.py FILE [--top N]` prints `8`.",
        "`python3 a.py <n>` prints `8`.",
        "`python3 a.py 5` prints `<n> words`.",
        "`python3 a.py 5` prints `N words`.",
        "`python3 a.py 5` prints `1, 2, ...`.",
        "`python3 a.py 5` prints one word a line.",
        "`python3 a.py 5` prints 8 lines.",
        "`python3 a.py 5` prints `8` or `9`.",
        "`python3 a.py 5` prints `8` if it is even.",
        "`python3 a.py 5` currently prints `8`.",
        "Currently `python3 a.py 5` prints `8`.",
        "`python3 a.py 5` prints `8` instead of `9`.",
        "`python3 a.py 5` never prints `8`.",
        "`python3 a.py 5` prints\n\nWell.\n\n    8\n",
        "`python3 a.py 5` prints\n8 lines.",
        "`python3 a.py 80` prints `ready` and serves until Ctrl-C.",
        "`python3 a.py 8` prints `1`. Later `python3 a.py 8` prints `2`.",
        "`rm -rf /` prints `8`.",
        "`python3 a.py 5; ls` prints `8`.",
        "`python3 a.py 5 > b` prints `8`.",
        "`python3 a.py $(ls)` prints `8`.",
        "`cat a | python3 a.py` prints `8`.",
        "`python3 -c 'print(8)'` prints `8`.",
        "`python3 /usr/a.py 5` prints `8`.",
        "`python3 ../a.py 5` prints `8`.",
        "`python3 -m a 5` prints `8`.",
        "`python3 'a.py 5` prints `8`.",
        "`python3` prints `8`.",
        "`f` prints `8`.",
    ],
)
def test_what_is_no_example(text: str) -> None:
    assert commands(text) == []


def test_how_it_is_run() -> None:
    assert command_line("python a.py 'b c'") == "python3 a.py 'b c'"
    assert command_line("printf 'a\\n' | ./w x") == "printf 'a\\n' | ./w x"


@pytest.mark.parametrize(
    ("text", "exit_code"),
    [
        ("`python3 a.py 5` prints `8` and exits with 0.", 0),
        ("`python3 a.py 5` prints `8`, and then it exits with exit code `3`.", 3),
        ("`python3 a.py 5` prints 8 and exits with status 2.", 2),
        ("`python3 a.py 5` prints `8`.", None),
        ("`python3 a.py 5` prints `8` and `4`.", None),
    ],
)
def test_the_exit_code_that_is_stated(text: str, exit_code: int | None) -> None:
    assert [example.exit_code for example in stated_commands(text)] == [exit_code]
