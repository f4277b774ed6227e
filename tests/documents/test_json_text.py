"""What is wrong with JSON that people write."""

import pytest

from agentbatch.documents.json_text import Unreadable, load_json


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"a": 1,}', "line 1, column 9: a comma stands before the closing }"),
        ("[1,\n]", "line 2, column 1: a comma stands before the closing ]"),
        ('{"a": 1 "b": 2}', "column 9: a comma or a closing bracket is missing before this"),
        ('{"a" 1}', "column 6: a colon is missing before this"),
        ('{\n// one\n"a": 1}', "line 2, column 1: JSON has no comments"),
        ('{"a": 1 /* one */}', "JSON has no comments"),
        ('{"a": 1, # one\n"b": 2}', "JSON has no comments"),
        ("{'a': 1}", "column 2: keys and texts stand in double quotes"),
        ("{\"a\": 'b'}", "keys and texts stand in double quotes"),
        ('{"a": None}', "None is no JSON: write null, true or false"),
        ('{"a": "b\nc"}', r"a line break or tab inside a text: write \n or \t"),
        ('{"a": "C:\\dir"}', r"a backslash inside a text: write \\"),
        ('{"a": "b}', "column 7: this text has no closing quote"),
        ('{"a": [1', "column 9: it ends in the middle"),
        ("{} {}", "column 4: the document has ended before this"),
        ('{"a": nil}', "column 7: Expecting value"),
    ],
)
def test_a_mistake_in_words(text: str, told: str) -> None:
    with pytest.raises(Unreadable) as refused:
        load_json(text)
    assert str(refused.value).startswith("not valid JSON at line ")
    assert str(refused.value).endswith(told)
