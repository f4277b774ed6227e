"""Which commands a text states with their output: tables."""

import pytest

from agentbatch.tasks.evaluator.checks.facts.stated.commands import command_line
from agentbatch.tasks.evaluator.checks.facts.stated.example import StatedCommand
from agentbatch.tasks.evaluator.checks.facts.stated.printed import stated_commands
from agentbatch.tasks.evaluator.checks.facts.stated.stated import stated_examples


def commands(text: str) -> list[tuple[str, tuple[str, ...]]]:
    found = [example for example in stated_examples(text) if isinstance(example, StatedCommand)]
    return [(example.command, example.lines) for example in found if example.lines]


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
        ('Running `python3 c.py "a b a"` prints `a 2` and `b 1`.', 'python3 c.py "a b a"', ("a 2", "b 1")),
        ('`python3 c.py "a b a"` prints `a 2` and then `b 1`', 'python3 c.py "a b a"', ("a 2", "b 1")),
        (
            "`python3 c.py 'a b'` prints `a`, `b`, and `c` on separate lines.",
            "python3 c.py 'a b'",
            ("a", "b", "c"),
        ),
        ("`python3 c.py a` prints one line per word: `a 2` and `b 1`.", "python3 c.py a", ("a 2", "b 1")),
        ("When run as `python3 c.py a`, it prints `a 1`.", "python3 c.py a", ("a 1",)),
        ("With `python3 c.py a` the program prints `a 1`.", "python3 c.py a", ("a 1",)),
        ("The output of `python3 c.py a` should be `a 1`.", "python3 c.py a", ("a 1",)),
        ("`python3 c.py a` prints to stdout: `a 1`", "python3 c.py a", ("a 1",)),
        ("- `python3 c.py a` -> `a 1`\n- `python3 c.py` ends.", "python3 c.py a", ("a 1",)),
        ("`python3 c.py a` prints `8` and `out.txt` is written.", "python3 c.py a", ("8",)),
        ("`python3 t.py 100` prints `100.0°C`.", "python3 t.py 100", ("100.0°C",)),
        ("`python3 t.py 100 C` prints `212.0 F`.", "python3 t.py 100 C", ("212.0 F",)),
        ("`python3 t.py 3` prints `A B C`.", "python3 t.py 3", ("A B C",)),
        ("`python3 t.py 3` prints `3 °C`.", "python3 t.py 3", ("3 °C",)),
        ("`python3 t.py 300` prints `300 K`.", "python3 t.py 300", ("300 K",)),
        ("`python3 t.py 3` prints `plan B`.", "python3 t.py 3", ("plan B",)),
        ("`python3 t.py ABC 3` prints `DEF`.", "python3 t.py ABC 3", ("DEF",)),
        ('`python3 t.py a` prints `{"a": 1}`.', "python3 t.py a", ('{"a": 1}',)),
        ("`python3 t.py a` prints `<b>a</b>`.", "python3 t.py a", ("<b>a</b>",)),
        ("`python3 c.py a` prints:\n- `a 2`\n- `b 1`\n\nEnd.", "python3 c.py a", ("a 2", "b 1")),
        ("`python3 c.py a` prints\n`a 2`\n`b 1`", "python3 c.py a", ("a 2", "b 1")),
        ("Usage:\n\n    $ python3 c.py a\n    a 2\n    b 1\n", "python3 c.py a", ("    a 2", "    b 1")),
        ("`python3 c.py a` を実行すると次のように出力します。\n\n```\na 2\n```", "python3 c.py a", ("a 2",)),
        ("`python3 c.py a` と実行すると `6` と表示されること。", "python3 c.py a", ("6",)),
        ("运行 `python3 c.py a` 会打印 `a 2` 和 `b 1`。", "python3 c.py a", ("a 2", "b 1")),
        ("执行 `python3 c.py a` 时，程序应输出 `a 2`、`b 1`。", "python3 c.py a", ("a 2", "b 1")),
        ("`python3 c.py a` 的输出应为 `a 2`。", "python3 c.py a", ("a 2",)),
        ("运行 `python3 c.py a` 输出每个单词一行：`a 2` 和 `b 1`。", "python3 c.py a", ("a 2", "b 1")),
        ("`python3 c.py a` 输出：\n```\na 2\nb 1\n```\n", "python3 c.py a", ("a 2", "b 1")),
        ("`python3 c.py a` を実行すると `a 2` と `b 1` を表示する。", "python3 c.py a", ("a 2", "b 1")),
        ("`python3 c.py a` を実行すると、「a 2」と出力される。", "python3 c.py a", ("a 2",)),
        ("`python3 c.py a` で `a 2` が表示されます。", "python3 c.py a", ("a 2",)),
        ("`python3 c.py a` の実行結果は `a 2` です。", "python3 c.py a", ("a 2",)),
        ("`python3 c.py a` は次のように表示する：\n```\na 2\n```\n", "python3 c.py a", ("a 2",)),
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
        "`python3 a.py 5` prints `X: Y`.",
        "`python3 a.py 5` prints `{n} words`.",
        "`python3 a.py 5` prints `COUNT words`.",
        "`python3 a.py ROWS` prints `ROWS rows`.",
        "`python3 a.py ROWS` prints `1`. ROWS is a number.",
        "`python3 a.py X` prints `8`.",
        "`python3 a.py 5` prints lines in the format: `name count`.",
        "`python3 a.py 5` prints a message like: `bad`.",
        "`python3 a.py 5` prints something such as `bad`.",
        "`python3 a.py 5` prints nothing to `stderr`.",
        "`python3 a.py 5` prints any of: `a`, `b`.",
        "The use of `python3 a.py 5` is `rare`.",
        "`python3 a.py 5` writes `out.txt`.",
        "If `python3 a.py 5` prints `8`, it is wrong.",
        "`python3 a.py 5` 输出格式为：`单词 次数`。",
        "`python3 a.py 5` 生成 `out.txt`。",
        "`python3 a.py 5` 不输出 `8`。",
        "`python3 a.py 5` 输出 `8` 或 `9`。",
        "目前 `python3 a.py 5` 输出 `8`。",
        "`python3 a.py 5` で `out.txt` を作る。",
        "`python3 a.py 5` を実行すると `6` と `7` は表示されない。",
        "現在 `python3 a.py 5` を実行すると `6` と表示する。",
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
        ("Running `python3 a.py x` must exit with code 2.", 2),
        ("`python3 a.py x` exits with 2.", 2),
        ("`python3 a.py x` prints `bad x` to stderr and exits with code 2.", 2),
        ("`python3 a.py x` prints an error message to stderr and exits with 1.", 1),
        ("Running `python3 a.py` with no argument must exit with status 2.", 2),
        ("Running `python3 a.py` without arguments exits with code 2.", 2),
        ("`python3 a.py x` should end with exit status `1`.", 1),
        ("`python3 a.py x` has to return exit code 3", 3),
        ("`python3 a.py x` 以退出码 2 结束。", 2),
        ("运行 `python3 a.py x` 的退出码应为 2。", 2),
        ("`python3 a.py x` は終了コード 2 で終了する。", 2),
        ("`python3 a.py x` の終了コードは 2 です。", 2),
    ],
)
def test_the_exit_code_that_is_stated(text: str, exit_code: int | None) -> None:
    assert [example.exit_code for example in stated_commands(text)] == [exit_code]


@pytest.mark.parametrize(
    "text",
    [
        "`python3 a.py x` exits with 2 if x is bad.",
        "`python3 a.py FILE` exits with 2.",
        "`python3 a.py x` must not exit with 2.",
        "`python3 a.py x` currently exits with 2.",
        "`python3 a.py x` exits with 1 or 2.",
        "`python3 a.py x` exits after 2 seconds.",
        "`python3 a.py x` ends 2 processes.",
        "`python3 a.py x` exits with 2.5% of the lines.",
        "`python3 a.py x` returns 2.",
        "`python3 a.py x` prints the day and `python3 a.py FILE` exits with 2.",
        "`python3 a.py x` 的退出码不是 2。",
        "`python3 a.py x` の終了コードは 2 ではない。",
        "`python3 a.py x` 退出码为 1 或 2。",
    ],
)
def test_no_exit_code_is_stated(text: str) -> None:
    assert list(stated_commands(text)) == []


RUNS = """
{}

```console
$ python3 t.py a b   # two words
a 1
b 1
$ python3 t.py x
x 1
$ python3 t.py quiet
$ python3 t.py y
y 1
```
"""


@pytest.mark.parametrize("lead", ["For example:", "", "例如：", "実行例："])
def test_runs_that_are_shown(lead: str) -> None:
    shown = [("python3 t.py a b", ("a 1", "b 1")), ("python3 t.py x", ("x 1",))]
    assert commands(RUNS.format(lead)) == shown, "what comes behind a silent one may depend on it"


@pytest.mark.parametrize(
    "lead",
    [
        "The output looks something like this:",
        "Currently it is wrong:",
        "It fails today:",
        "输出格式类似：",
        "形式：",
    ],
)
def test_runs_that_are_no_example(lead: str) -> None:
    assert commands(RUNS.format(lead)) == []


def test_any_order() -> None:
    (found,) = stated_examples("`python3 c.py a` prints `a 2` and `b 1`. Words come in any order.")
    assert isinstance(found, StatedCommand)
    assert (found.lines, found.ordered, found.listed) == (("a 2", "b 1"), False, True)


def test_what_one_command_is_said_to_do() -> None:
    text = "`python3 a.py 5` prints the sum: `8`. `python3 a.py 5` exits with 0. `python3 a.py 5` prints the sum."
    assert list(stated_examples(text)) == [
        StatedCommand("python3 a.py 5", ("8",)),
        StatedCommand("python3 a.py 5", (), 0),
    ]
    assert commands("`python3 a.py 5` prints `8`. `python3 a.py 5` prints `9`.") == []


@pytest.mark.parametrize(
    "text",
    [
        "Running `python3 fizz.py 15` prints one word a line.",
        "`python3 c.py 'a b'` prints the words with their counts.",
        "`python3 c.py 'a b'` must print how often it was said",
        "When run as `python3 c.py 'a b'`, it prints its two words.",
        "运行 `python3 c.py 'a b'` 打印单词及其次数。",
        "`python3 c.py 'a b'` を実行すると単語の数を表示する。",
    ],
)
def test_what_prints_something(text: str) -> None:
    assert [(one.outcome, one.tells) for one in stated_examples(text)] == [("print something", False)]


@pytest.mark.parametrize(
    "text",
    [
        "It is started with `python3 c.py 'a b'`.",
        "Write a command `./c.py 3 4` in Python.",
        "Write totals.py, run as `python3 totals.py 3`, which writes totals.txt.",
        "用法：`python3 c.py 3`",
        "编写 c.py，运行 `python3 c.py 3` 生成 out.txt。",
        "`python3 c.py 3` を実行すると `out.txt` ができる。",
    ],
)
def test_what_is_named_to_be_run(text: str) -> None:
    assert [(one.outcome, one.tells) for one in stated_examples(text)] == [("run", False)]


@pytest.mark.parametrize(
    "text",
    [
        "It is started with `python3 c.py FILE`.",
        "Run `python3 deploy.py staging`.",
        "Run `python3 c.py https://a.b`.",
        "Run `python3 c.py /etc/hosts`.",
        "Run `python3 c.py --delete`.",
        "Run `./send.py me`, which prints the message.",
        "Do not run `python3 c.py 3`.",
        "Currently, running `python3 c.py 3` crashes.",
        "See `python3 c.py 3`.",
        "A server, run as `python3 c.py 3`.",
    ],
)
def test_what_is_not_run(text: str) -> None:
    assert list(stated_examples(text)) == []


@pytest.mark.parametrize(
    "text",
    [
        "`python3 c.py FILE` prints the words.",
        "`python3 c.py 'a b'` prints the words that are doubled.",
        "`python3 c.py 'a b'` prints the lines in the file.",
        "`python3 c.py a.txt` prints the duplicates.",
        "`python3 c.py a` prints a warning.",
        "`python3 c.py a` prints nothing.",
        "`python3 c.py a` prints the result to out.txt",
        "`python3 c.py a` prints the result into the log",
        "`python3 c.py a` prints matches.",
        "`python3 c.py a` prints each word.",
        "`python3 c.py a` prints the words if there are some.",
        "`python3 c.py a` writes the words.",
        "Stop: `python3 c.py a` no longer prints the words.",
        "`python3 c.py a` 打印所有匹配的行。",
        "`python3 c.py a` 没有输出。",
        "`python3 c.py a` を実行するとファイルに結果を出力する。",
        "`python3 c.py a` を実行しても何も表示しない。",
    ],
)
def test_what_may_print_nothing(text: str) -> None:
    assert [one for one in stated_examples(text) if one.outcome != "run"] == []
