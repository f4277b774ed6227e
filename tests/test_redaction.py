import json

from agentbatch.redaction import MASK, Redactor


def test_keys_are_masked_whole_also_inside_json() -> None:
    redact = Redactor(["abcdefgh", "abcdefgh-and-more", 'qu"ote\\8'])
    assert redact("x abcdefgh-and-more y abcdefgh z") == f"x {MASK} y {MASK} z"
    assert "ote" not in redact(json.dumps({"k": 'qu"ote\\8'}))


def test_placeholders_do_not_eat_words() -> None:
    assert Redactor(["none", "x", ""])("none of x") == "none of x"
