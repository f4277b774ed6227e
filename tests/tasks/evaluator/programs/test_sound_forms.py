"""The program that looks at files in a workspace, called here: texts, never files."""

import shutil
from typing import Any

import pytest

from agentbatch.tasks.evaluator.programs.sound_forms import UNREAD, look

ENTITIES = '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;&b;&b;">]><a>&c;</a>'


@pytest.mark.parametrize(
    ("form", "text", "line"),
    [
        ("Python", "def f():\n    return 1\n", None),
        ("Python", "x = 1\ndef f(:\n", 2),
        ("Python", "def f():\nreturn 1\n", 2),
        ("Python", "return 1\n", 1),
        ("Python", "print 'a'\n", 1),
        ("Python", "\ufeffx = 1\n", None),
        ("Python", "x = '\\d'\n", None),
        ("Python", "x = 1\0\n", 0),
        ("Python", "(" * 5000 + ")" * 5000, ...),
        ("JSON", '{"a": [1, 2.5, null, NaN]}', None),
        ("JSON", '{"a": 1,}', 1),
        ("JSON", "1" * 5000, None),
        ("JSON", "[1]\n[" + "1" * 5000 + "]\n", None),
        ("JSON", '{\n"a": 1\n', 3),
        ("JSON", '\ufeff{"a": 1}', None),
        ("JSON", '{"a": 1}\n{"a": 2}\n', None),
        ("JSON", '{"a": 1}\n2\n', 2),
        ("JSON", "[" * 100_000, False),
        ("TOML", "a = 1\n[b]\n", None),
        ("TOML", "a = 1\na = 2\n", ...),
        ("TOML", "a = \n", 1),
        ("TOML", "a." * 50_000 + "a = 1", UNREAD),
        ("TOML", "#" * 100_001, UNREAD),
        ("XML", "<a><b/></a>", None),
        ("XML", "<a>\n<b></a>", 2),
        ("XML", ENTITIES, False),
        ("XML", '<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', None),
        ("YAML", "a: [1, 2]\n", ...),
        ("text", "a\nb\0c", 2),
        ("text", "a", None),
    ],
)
def test_what_is_sound(form: str, text: str, line: Any) -> None:
    found: Any = look(form, "file", text.encode("utf-8", "surrogatepass"))
    if line is ...:  # By what this Python has.
        assert found in (None, False) or isinstance(found[0], int)
    elif line is None or line is False or line == UNREAD:
        assert found == line
    else:
        assert found[0] == line
        assert 0 < len(found[1]) <= 200


def test_a_file_that_is_not_there_is_not_judged() -> None:
    assert look("Python", "no/such/file.py") is False


@pytest.mark.skipif(not shutil.which("bash"), reason="no bash")
def test_a_shell_script_is_read_and_not_run() -> None:
    assert look("shell", "a.sh", b"echo hello; exit 3\n") is None
    assert look("shell", "a.sh", b"shopt -s extglob\nrm -f !(a)\n") is None
    found: Any = look("shell", "a.sh", b"if true\nthen echo\n")
    assert found[0] in (2, 3)


@pytest.mark.skipif(not shutil.which("node"), reason="no node")
@pytest.mark.parametrize(
    ("path", "text", "line"),
    [
        ("a.js", "const a = require('b');\n", None),
        ("a.js", "import a from './b.js';\nawait a();\n", None),
        ("a.js", "let a = ;\n", 1),
        ("a.js", "import a from 'b';\nlet a2 = ;\n", 2),
        ("a.js", "export const A = () => <div/>;\n", False),
        ("a.mjs", "export default 1;\n", None),
        ("a.mjs", "import a from 'b' assert {type: 'json'}; let a2 = ;\n", False),
    ],
)
def test_javascript_may_be_a_script_or_a_module(path: str, text: str, line: Any) -> None:
    found: Any = look("JavaScript", path, text.encode())
    assert (found[0] if found else found) == line
