"""What weak models write, and what is taken of it."""

import json
import time
from typing import Any

import pytest

from agentbatch.toolcalls.blocks.calls import MAX_READ, find_blocks
from agentbatch.toolcalls.blocks.parsed_calls import MAX_CALLS

NAMES = frozenset({"bash", "read_file", "write_file", "edit_file", "finish"})
CODE = "def f():\n    return 1\n"
MARKS = "<<<<<<< SEARCH\n{}=======\n{}>>>>>>> REPLACE\n"

Call = tuple[str, dict[str, Any]]


def file(content: str = CODE, path: str = "a.py") -> Call:
    return "write_file", {"path": path, "content": content}


def bash(command: str) -> Call:
    return "bash", {"command": command}


def read(path: str, **more: int) -> Call:
    return "read_file", {"path": path, **more}


def edit(old: str, new: str, path: str = "a.py") -> Call:
    return "edit_file", {"path": path, "old_string": old, "new_string": new}


def done(summary: str) -> Call:
    return "finish", {"summary": summary}


def calls_in(text: str) -> list[Call]:
    found = find_blocks(text, NAMES)
    return [] if found is None else list(found.calls)


@pytest.mark.parametrize(
    "head",
    [
        "FILE: a.py",
        "FILE:a.py",
        "FILE : a.py",
        "FILE: `a.py`",
        "FILE: 'a.py'",
        "FILE: <a.py>",
        "FILE: a.py:",
        "FILE: a.py (new file)",
        "FILE: `a.py` - the function",
        "FILE: a.py # new",
        "**FILE: a.py**",
        "**FILE:** a.py",
        "**FILE**: `a.py`",
        "### FILE: a.py",
        "1. FILE: a.py",
        "- **FILE: `a.py`**",
        "> FILE: a.py",
        "File: a.py",
        "Filename: `a.py`",
        "**File name:** a.py",
        "WRITE: a.py",
        "CREATE: a.py",
        "FILE a.py",
        "FILE: a.py\n",
        "FILE: a.py\n\nThis is the function.\n",
        "Sure, here is the file.\n\nFILE: a.py",
        "EDIT: a.py",
        "### a.py",
        "**a.py**",
        "**`a.py`**:",
        "`a.py`",
        "a.py",
        "a.py:",
        "2. `a.py`:",
        "Here is `a.py`:",
        "### Step 1: Create `a.py`",
        "**The file a.py**",
    ],
)
def test_a_file_below_its_name(head: str) -> None:
    assert calls_in(f"{head}\n```python\n{CODE}```\n") == [file()]


@pytest.mark.parametrize(
    "text",
    [
        # A small model's own: the block is opened, named, and opened again.
        f"```python\nFILE: a.py\n```python\n{CODE}```",
        f"```python\nFILE: a.py\n```python\n{CODE}```\n```",
        f"```\nFILE: a.py\n```python\n{CODE}```\n\n```\n",
        f"```python\nFILE: a.py\n{CODE}```",
        f"```python\nFILE: a.py\n\n{CODE}```".replace("\n\n", "\n"),
        f"```\n**FILE: a.py**\n{CODE}```",
        f"FILE: a.py\n```python\nFILE: a.py\n{CODE}```",
        f"FILE: a.py\n```python\n```python\n{CODE}```",
        f"```python a.py\n{CODE}```",
        f"```python:a.py\n{CODE}```",
        f'```python title="a.py"\n{CODE}```',
        f'```{{.python filename="a.py"}}\n{CODE}```',
        f"```a.py\n{CODE}```",
        f"FILE: a.py\n````python\n{CODE}````",
        f"FILE: a.py\n~~~python\n{CODE}~~~",
        f"FILE: a.py\n```\n{CODE}```",
        "FILE: a.py\n  ```python\n  def f():\n      return 1\n  ```",
        "1. FILE: a.py\n      ```python\n      def f():\n          return 1\n      ```",
        f"FILE: a.py\r\n```python\r\n{CODE}```\r\n".replace("\r\n", "\n").replace("\n", "\r\n"),
        f"\ufeffFILE: a.py\n```python\n{CODE}```",
        f"<think>\nFILE: b.py\n```\nno\n```\n</think>\nFILE: a.py\n```python\n{CODE}```",
        f"I think of\nFILE: b.py\n```\nno\n```\n</think>\n\nFILE: a.py\n```python\n{CODE}```",
        # Not closed, but the reply was not cut off.
        f"FILE: a.py\n```python\n{CODE}",
        f"FILE: a.py\n```python\n{CODE}"[:-1],
        # The model goes on with a result of its own making.
        f"FILE: a.py\n```python\n{CODE}```\n[Result of write_file]\nWrote it.\n\n```bash\npython3 a.py\n```",
        f"FILE: a.py\n```python\n{CODE}[Result of write_file]\nWrote it.\n```bash\npython3 a.py\n```",
    ],
)
def test_one_file_however_it_is_fenced(text: str) -> None:
    assert calls_in(text) == [file()]


def test_a_comment_with_the_name_names_the_file_and_stays_in_it() -> None:
    for comment, path in [
        ("# a.py", "a.py"),
        ("# FILE: src/a.py", "src/a.py"),
        ("// app.js", "app.js"),
        ("/* style.css */", "style.css"),
        ("<!-- index.html -->", "index.html"),
        ("-- schema.sql", "schema.sql"),
    ]:
        assert calls_in(f"```x\n{comment}\nbody\n```") == [file(f"{comment}\nbody\n", path)]


@pytest.mark.parametrize(
    "content",
    [
        'print("It\'s \\"done\\"")\n',
        "page\x0cbreak\x0band\x1cmore\x85and\u2028line\u2029end\n",
        "one\r\ntwo\nthree\rfour\n",
        "\ufeffbyte order mark\n",
        "trailing   \n\t\n\n\n",
        "\n\nfirst lines are empty\n",
        "```not a fence``` in a line\n",
        "    ```bash\n    indented like a docstring\n    ```\n",
        "FILE: b.py\nDONE: no\nREAD: c.py\n",
        "[Result of bash]\nquoted in a document\n",
        "<think>\n</think>\n",
        '{"tool": "bash", "arguments": {"command": "ls"}}\n',
        "",
        "\n",
    ],
)
def test_content_is_kept_to_the_byte(content: str) -> None:
    assert calls_in(f"FILE: a.txt\n```text\n{content}```\nThat was it.") == [file(content, "a.txt")]


def test_a_reply_with_line_ends_of_windows_throughout_loses_them() -> None:
    text = f"FILE: a.py\n```python\n{CODE}```\n".replace("\n", "\r\n")
    assert calls_in(text) == [file()]


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        (f"FILE: a.py\n```python\n{CODE}```\n```bash\npython3 a.py\n```\nDONE: It works.", 3),
        (f"FILE: a.py\n```python\n{CODE}```\n\nRun it:\n\n```bash\npython3 a.py\n```\n\nDONE: It works.", 3),
        (f"FILE: a.py\n```python\n{CODE}```bash\npython3 a.py\n```\nDONE: It works.", 3),
        (f"FILE: a.py\n```python\n{CODE}```\n```\n```bash\npython3 a.py\n```\nDONE: It works.", 3),
        (
            f"```markdown\nFILE: a.py\n```python\n{CODE}```\n```bash\npython3 a.py\n```\nDONE: It works.\n```",
            3,
        ),
        (f"DONE: It works.\n\nFILE: a.py\n```python\n{CODE}```\n```bash\npython3 a.py\n```", 3),
        (f"**DONE**: It works.\nFILE: a.py\n```python\n{CODE}```\nRUN: python3 a.py\nDONE: It works.", 3),
    ],
)
def test_file_command_and_end_in_one_reply(text: str, calls: int) -> None:
    assert calls_in(text) == [file(), bash("python3 a.py"), done("It works.")][:calls]


def test_several_files() -> None:
    text = (
        f"FILE: a.py\n```python\n{CODE}\nFILE: b.py\n```python\nimport a\n```\n**c/d.txt**\n```\nhello\n```"
    )
    assert calls_in(text) == [file(CODE), file("import a\n", "b.py"), file("hello\n", "c/d.txt")]


def test_a_markdown_file_holds_blocks() -> None:
    inner = "# Title\n\n```bash\npip install x\n```\n\nThen:\n\n```python\nimport x\n```\nEnd.\n"
    for text in (
        f"FILE: README.md\n```markdown\n{inner}```\nDONE: ok",
        f"FILE: README.md\n````\n{inner}````\nDONE: ok",
    ):
        assert calls_in(text) == [file(inner, "README.md"), done("ok")]
    bare = "# Title\n\n```\npip install x\n```\nEnd.\n"
    assert calls_in(f"FILE: README.md\n```markdown\n{bare}```\nDONE: ok") == [
        file(bare, "README.md"),
        done("ok"),
    ]
    assert calls_in("FILE: README.md\n```\n# Title\n```\n```bash\nls\n```") == [
        file("# Title\n", "README.md"),
        bash("ls"),
    ]


@pytest.mark.parametrize(
    "code",
    [
        '"""Use:\n\n```python\nf()\n```\n"""\n',
        'def f():\n    """Use:\n\n    ```\n    f()\n    ```\n    """\n',
    ],
)
def test_a_docstring_with_a_block_is_no_end(code: str) -> None:
    assert calls_in(f"FILE: a.py\n```python\n{code}```\nDONE: ok") == [file(code), done("ok")]


def test_a_longer_fence_holds_whatever_is_shorter() -> None:
    for content in ("```python\nx = 1\n```\n", "```\n", "```bash\n"):
        assert calls_in(f"FILE: a.py\n````python\n{content}````\nDONE: ok") == [file(content), done("ok")]


def test_marks_of_an_edit_in_a_whole_file_are_content() -> None:
    content = "How to edit:\n" + MARKS.format("a\n", "b\n")
    assert calls_in(f"FILE: a.txt\n```\n{content}```") == [file(content, "a.txt")]


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ("READ: a.py", [read("a.py")]),
        ("READ: `a.py`", [read("a.py")]),
        ("**READ:** a.py", [read("a.py")]),
        ("READ a.py", [read("a.py")]),
        ("READ: .", [read(".")]),
        ("READ: src/", [read("src/")]),
        ("READ: Makefile", [read("Makefile")]),
        ("READ: my notes.txt", [read("my notes.txt")]),
        ("READ: a.py, b.py and src/c.txt", [read("a.py"), read("b.py"), read("src/c.txt")]),
        ("READ: `a.py` `b.py`", [read("a.py"), read("b.py")]),
        ("READ: a.py\nREAD: b.py", [read("a.py"), read("b.py")]),
        ("```\nREAD: a.py\nREAD: b.py\n```", [read("a.py"), read("b.py")]),
        ("READ: a.py lines 10-29", [read("a.py", offset=10, limit=20)]),
        ("READ: a.py (lines 10 to 29)", [read("a.py", offset=10, limit=20)]),
        ("READ: a.py:10", [read("a.py", offset=10)]),
        ("READ: a.py offset=10", [read("a.py", offset=10)]),
        ("READ: the whole of it", []),
        ("READ:", []),
        ("README.md is there.", []),
        ("I READ: a.py", []),
    ],
)
def test_reading(text: str, calls: list[Call]) -> None:
    assert calls_in(text) == calls


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("```bash\nls -la\n```", "ls -la"),
        ("```sh\nls -la\n```", "ls -la"),
        ("```bash\n\nls -la\n\n```", "ls -la"),
        ("```bash\n$ ls -la\ntotal 0\n```", "ls -la"),
        ("```console\n$ ls -la\ntotal 0\n```", "ls -la"),
        ("```bash\nme@box:~/x$ ls -la\ntotal 0\nme@box:~/x$ pwd\n/x\n```", "ls -la\npwd"),
        ("```bash\n$ ls \\\n  -la\ntotal 0\n```", "ls \\\n  -la"),
        ("```bash\n$ cat <<EOF\n> a\n> EOF\na\n```", "cat <<EOF\na\nEOF"),
        ("```bash\nls\n[Result of bash]\na.py\n```", "ls"),
        ("```bash\n# run.sh\nls\n```", "# run.sh\nls"),
        ("```bash\n# RUN: the tests\nls\n```", "# RUN: the tests\nls"),
        (
            "```bash\ncat > R.md <<'EOF'\n# T\n```bash\npip\n```\nEOF\nls\n```",
            "cat > R.md <<'EOF'\n# T\n```bash\npip\n```\nEOF\nls",
        ),
        ("```bash\ncat > a <<'EOF'\n```\nEOF\nls\n```", "cat > a <<'EOF'\n```\nEOF\nls"),
        ("FILE: a.txt\nNow run this:\n```bash\nls\n```", "ls"),
        ("RUN: ls -la", "ls -la"),
        ("RUN: `ls -la`", "ls -la"),
        ("RUN: $ ls -la", "ls -la"),
        ("RUN: echo `date`", "echo `date`"),
        ("Run: `ls -la`", "ls -la"),
        ("RUN:\n```\nls -la\n```", "ls -la"),
        ("RUN:\n```bash\nls -la\n```", "ls -la"),
        ("```bash\nRUN: ls -la\n```", "ls -la"),
        ("### a.py\n```bash\npython3 a.py\n```", "python3 a.py"),
        ("Run a.py:\n```bash\npython3 a.py\n```", "python3 a.py"),
        ("FILE: a.py\n```bash\npython3 a.py\n```", "python3 a.py"),
        ("```bash\nls", "ls"),
    ],
)
def test_commands(text: str, command: str) -> None:
    assert calls_in(text) == [bash(command)]


def test_a_script_for_the_shell_is_a_file_when_it_has_a_name() -> None:
    assert calls_in("FILE: run.sh\n```bash\nls\n```") == [file("ls\n", "run.sh")]
    assert calls_in("**.env**\n```bash\nA=1\n```") == [file("A=1\n", ".env")]


@pytest.mark.parametrize(
    ("text", "summary"),
    [
        ("DONE: It works.", "It works."),
        ("DONE", "Done."),
        ("DONE.", "Done."),
        ("**DONE**", "Done."),
        ("**DONE:** It works.", "It works."),
        ("DONE - It works.", "It works."),
        ("Done: It works.", "It works."),
        ("FINISH: It works.", "It works."),
        ("```\nDONE: It works.\n```", "It works."),
        ("DONE: It works.\n\n- f is in a.py\n- it was run", "It works.\n\n- f is in a.py\n- it was run"),
        ("DONE:\nIt works.", "It works."),
        ("All tests pass.\n\nDONE: It works.", "It works."),
        ("DONE: It works.\n[Result of finish]\nmore", "It works."),
        ("DONE: once\nDONE: It works.", "It works."),
    ],
)
def test_the_end_of_the_turn(text: str, summary: str) -> None:
    assert calls_in(text) == [done(summary)]


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ("EDIT: a.py\n```\n{pair}```", [edit("x = 1\n", "x = 2\n")]),
        ("EDIT: `a.py`\n```python\n{pair}```", [edit("x = 1\n", "x = 2\n")]),
        ("EDIT: a.py\n{pair}", [edit("x = 1\n", "x = 2\n")]),
        ("EDIT: a.py\n\n{pair}", [edit("x = 1\n", "x = 2\n")]),
        ("FILE: a.py\n```\n{pair}```", [edit("x = 1\n", "x = 2\n")]),
        ("a.py\n```\n{pair}```", [edit("x = 1\n", "x = 2\n")]),
        ("a.py\n{pair}", [edit("x = 1\n", "x = 2\n")]),
        ("```python\na.py\n{pair}```", [edit("x = 1\n", "x = 2\n")]),
        ("EDIT: a.py\n```\n{pair}{other}```", [edit("x = 1\n", "x = 2\n"), edit("y\n", "z\n")]),
        ("EDIT: a.py\n```\n{pair}\n{other}```", [edit("x = 1\n", "x = 2\n"), edit("y\n", "z\n")]),
        ("EDIT: a.py\n```\n{pair}```\n```\n{other}```", [edit("x = 1\n", "x = 2\n"), edit("y\n", "z\n")]),
        (
            "EDIT: a.py\n{pair}\n{other}\nDONE: ok",
            [edit("x = 1\n", "x = 2\n"), edit("y\n", "z\n"), done("ok")],
        ),
        ("EDIT: a.py\n```\n{gone}```", [edit("x = 1\n", "")]),
        ("EDIT: a.py\n```\n<<<<< SEARCH\na\n=====\nb\n>>>>> REPLACE\n```", [edit("a\n", "b\n")]),
        ("EDIT: a.py\n```\n<<<<<<<<< SEARCH\na\n=======\nb\n>>>>>>>\n```", [edit("a\n", "b\n")]),
        ("EDIT: a.py\n```\n<<<<<<< ORIGINAL\na\n=======\nb\n>>>>>>> UPDATED\n```", [edit("a\n", "b\n")]),
        ("EDIT: a.py\n```\n<<<<<<< SEARCH\na\n=======\nb\n```", [edit("a\n", "b\n")]),
        (
            "EDIT: a.rst\n```\n<<<<<<< SEARCH\nTitle\n=====\n=======\nName\n=====\n>>>>>>> REPLACE\n```",
            [edit("Title\n=====\n", "Name\n=====\n", "a.rst")],
        ),
        # A whole file where an edit was announced is one; a part of it is for the tool to refuse.
        ("EDIT: a.py\n```python\nx = 2\n```", [file("x = 2\n")]),
        ("EDIT: a.py\n```python\n    return 2\n```", [edit("", "    return 2\n")]),
        ("EDIT: a.py\n```\n<<<<<<< SEARCH\na\nb\n```", [edit("", "<<<<<<< SEARCH\na\nb\n")]),
        ("EDIT: a.py\nChange x to 2.", []),
    ],
)
def test_edits(text: str, calls: list[Call]) -> None:
    pair, other = MARKS.format("x = 1\n", "x = 2\n"), MARKS.format("y\n", "z\n")
    assert calls_in(text.format(pair=pair, other=other, gone=MARKS.format("x = 1\n", ""))) == calls


def test_json_stands_beside_blocks() -> None:
    action = '{"tool": "bash", "arguments": {"command": "ls"}}'
    lines = json.dumps(json.loads(action), indent=1)
    for text in (
        f"FILE: a.py\n```python\n{CODE}```\n{action}\nDONE: ok",
        f"FILE: a.py\n```python\n{CODE}```\n```json\n{action}\n```\nDONE: ok",
        f"FILE: a.py\n```python\n{CODE}```\n<tool_call>\n{lines}\n</tool_call>\nDONE: ok",
    ):
        assert calls_in(text) == [file(), bash("ls"), done("ok")]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "It works now.",
        "I am DONE with the first part.",
        "DONE with that, the next file follows.",
        "The work is done: it runs.",
        "Use the FILE: block.",
        "FILE: the following is the code\n```python\nx\n```",
        "FILE: a.py",
        "FILE: a.py\n```",
        "FILE: a.py\n```python\n",
        "```python\nx = 1\n```",
        "```\nls\n```",
        "```console\nHello\n```",
        "```bash\n```",
        "```bash\n\n```",
        "RUN:",
        "Run: the tests again",
        "FILES: 3\n```\na\n```",
        "# numpy.array\n```python\nx\n```",
        "```python\n# os.path\nx\n```",
        "### Node.js\n```js\nx\n```",
        "### a\u202e.py\n```python\nx\n```",
        "See https://example.com/a.py:\n```python\nx\n```",
        "FILE: a.py\n```diff\n-x\n+y\n```",
        "FILE: a.py\n```\n--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-x\n+y\n```",
        "Between a.py and b.py:\n```python\nx\n```",
        "Use a.py like this:\n```python\nfrom a import f\nf()\n```",
        "The error in a.py:\n```python\nTraceback (most recent call last):\n```",
        "Change a.py here:\n```python\n    return 2\n```",
        "Add to a.py:\n```python\nx = 1\n# ... the rest stays\n```",
        "<think>\nFILE: a.py\n```python\nx\n```",
        "[Result of bash]\nok\n\nDONE: It works.",
        '{"tool": "rm", "arguments": {}}',
    ],
)
def test_what_is_not_clearly_meant_is_left(text: str) -> None:
    assert calls_in(text) == []


def test_only_tools_that_there_are() -> None:
    text = f"FILE: a.py\n```python\n{CODE}```\nREAD: b.py\n```bash\nls\n```\nDONE: ok"
    found = find_blocks(text, {"bash"})
    assert found is not None
    assert found.calls == (bash("ls"),)


def test_prose_is_what_stands_in_front_of_the_first_call() -> None:
    for text in (
        f"First the file.\n\nFILE: a.py\n```python\n{CODE}```\nThen nothing.",
        f"First the file.\n```python\nFILE: a.py\n```python\n{CODE}```",
        f"<think>Hm.</think>First the file.\n**a.py**\n```python\n{CODE}```",
    ):
        found = find_blocks(text, NAMES)
        assert found is not None
        assert found.prose == "First the file."


@pytest.mark.parametrize(
    ("text", "open_call"),
    [
        (f"FILE: a.py\n```python\n{CODE}", 0),
        (f"FILE: a.py\n```python\n{CODE}```", None),
        (f"DONE: ok\n\nFILE: a.py\n```python\n{CODE}", 0),
        (f"FILE: a.py\n```python\n{CODE}```\n```bash\nrm -rf ./bu", 1),
        (f"FILE: a.py\n```python\n{CODE}```\nRUN: rm -rf ./bu", 1),
        (f"FILE: a.py\n```python\n{CODE}```\nREAD: b", 1),
        (f"FILE: a.py\n```python\n{CODE}```\nDONE: It wor", 1),
        ("RUN: ls\n", None),
        ("EDIT: a.py\n```\n" + MARKS.format("a\n", "b\n") * 2, 1),
        (f"FILE: a.py\n```python\n{CODE}[Result of write_file]\nok", None),
        (f"FILE: a.py\n```python\n{CODE}DONE: It wor", 1),
    ],
)
def test_the_call_that_the_reply_ends_in_is_told(text: str, open_call: int | None) -> None:
    found = find_blocks(text, NAMES)
    assert found is not None
    assert found.open_call == open_call


def test_a_reply_that_is_cut_by_us_has_no_half_file() -> None:
    text = f"FILE: a.py\n```python\n{CODE}```\nFILE: b.py\n```python\n" + "x = 1\n" * (MAX_READ // 6) + "```"
    assert calls_in(text) == [file()]
    assert calls_in(text[len(f"FILE: a.py\n```python\n{CODE}```\n") :]) == []


def test_a_reply_without_end_is_cut() -> None:
    assert calls_in("```bash\nls\n```\n" * 5000) == [bash("ls")] * MAX_CALLS


@pytest.mark.parametrize(
    "path",
    [
        "a\0.py",
        "a\x1b[31m.py",
        "/etc/passwd",
        "../../x.py",
        "~/.ssh/id",
        "a" * 300 + ".py",
        'a".py',
        "a'b.py",
    ],
)
def test_odd_paths_do_no_harm_here(path: str) -> None:
    for _, arguments in calls_in(f"FILE: {path}\n```\nx\n```"):
        assert arguments["path"] == path, "the tools confine paths; here they are only not changed"
        assert path.isprintable()


HOSTILE = {
    "lines": "\n" * 2_000_000,
    "fences": "```\n" * 500_000,
    "openers": "```python\n" * 200_000,
    "openers in a file": "FILE: a.md\n" + "```python\n" * 100_000,
    "files without an end": "FILE: a.py\n```python\n" * 90_000,
    "heads": "FILE: a.py\n" * 180_000,
    "labels": "### a.py\n" * 220_000,
    "longer and longer fences": "\n".join("`" * n for n in range(3, 2000)),
    "one line of backticks": "`" * 1_000_000 + "x`",
    "one line of blanks": " " * 1_000_000 + "FILE",
    "one line of decoration": "#*_-`> " * 150_000 + "FILE: " + "*" * 500_000,
    "lines of dashes": ("-" * 499 + "\n") * 4_000,
    "lines of slashes": ("```x\n# " + "/-" * 240 + "\n") * 4_000,
    "lines of brackets": ("FILE: " + "(" * 480 + ".py\n") * 4_000,
    "lines of quotes": ("FILE: " + "`" * 480 + "\n") * 4_000,
    "lines of blanks in a path": ("FILE: a" + " " * 480 + ".py\n") * 4_000,
    "lines of blanks in a range": ("READ: a" + " " * 480 + "1x\n") * 4_000,
    "brackets": "{\n" * 500_000,
    "nested lists": "[" * 1_000_000,
    "calls that are none": '{"tool": "bash", "arguments": \n' * 60_000,
    "searches": "EDIT: a.py\n```\n" + "<<<<<<< SEARCH\n" * 130_000,
    "dividers": "EDIT: a.py\n```\n<<<<<<< SEARCH\n" + "=======\n" * 200_000,
    "bare searches": "EDIT: a.py\n<<<<<<< SEARCH\n=======\n" * 50_000,
    "here-documents": "```bash\n" + "cat <<A\n" * 200_000,
    "ends": "DONE: x\n" * 200_000,
    "thoughts": "<think>\n" * 200_000,
    "ends of thoughts": "</think>\n" * 200_000,
    "results": "[Result of bash\n" * 120_000,
    "pairs of blocks": "FILE: a.py\n```python\n" + "```bash\n```\n" * 100_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_takes_no_quadratic_time(text: str) -> None:
    before = time.process_time()
    find_blocks(text, NAMES)
    assert time.process_time() - before < 5, "what is quadratic takes minutes"
