"""How prompts reach programs, and how output comes back in lines. Tables."""

import pytest

from agentbatch.tasks.coders.catalog.entry import CoderEntry
from agentbatch.tasks.coders.command.invocation import FILE, MAX_ARGUMENT, invocation, is_session
from agentbatch.tasks.coders.command.lines import Lines
from tests.support.command_coder import entry


@pytest.mark.parametrize(
    ("given", "session", "command", "prompt", "stdin"),
    [
        (entry(), "", "a -p {prompt}", "Do it", ""),
        (entry("stdin"), "", "a -p", None, "Do it"),
        (entry("stdin", "a --message={prompt}"), "", "a --message={prompt}", "Do it", ""),
        (entry(resume="a -r {session}"), "", "a -p {prompt}", "Do it", ""),
        (entry(resume="a -r {session}"), "s", "a -r {session} {prompt}", "Do it", ""),
        (entry("stdin", resume="a -r {session} -"), "s", "a -r {session} -", None, "Do it"),
        (entry("stdin", resume="a -c"), "latest", "a -c", None, "Do it"),
        (entry(), "s", "a -p {prompt}", "Do it", ""),
    ],
)
def test_where_a_prompt_goes(
    given: CoderEntry, session: str, command: str, prompt: str | None, stdin: str
) -> None:
    asked = invocation(given, "Do it", session, "/home")
    assert (asked.command, asked.values.get("prompt"), asked.stdin.decode()) == (
        tuple(command.split()),
        prompt,
        stdin,
    )


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("-rf /", " -rf /"),
        ("--help", " --help"),
        ("{token} {prompt}", "{token} {prompt}"),
        ("a\0b", "a\ufffdb"),
        ("half \ud83d", "half ?"),
        ("x" * MAX_ARGUMENT, "x" * MAX_ARGUMENT),
        ("-", " -"),
    ],
)
def test_a_prompt_is_one_argument_and_no_option(text: str, given: str) -> None:
    asked = invocation(entry(), text, "", "/home")
    assert (asked.values["prompt"], dict(asked.files)) == (given, {})


def test_a_prompt_too_long_for_an_argument_is_a_file() -> None:
    text = "ä" * MAX_ARGUMENT
    asked = invocation(entry(), text, "", "/home")
    assert asked.values["prompt"].startswith(f"Read the file /home/{FILE} ")
    assert asked.files == {FILE: text.encode()}
    assert invocation(entry("stdin"), text, "", "/home").stdin == text.encode()


@pytest.mark.parametrize(
    ("session", "good"),
    [
        ("0b8c-1", True),
        ("ses_1.2:x", True),
        ("a" * 128, True),
        *(
            (bad, False)
            for bad in ("", "-x", "--resume", "a b", "../x", "$(x)", "a\n", "a" * 129, "ä", "{token}")
        ),
    ],
)
def test_a_session_is_a_plain_word(session: str, good: bool) -> None:
    assert is_session(session) is good


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_lines_come_whole_and_long_ones_are_left_out(size: int) -> None:
    output = b"one\n\n" + b"x" * 11 + b"\n" + b"y" * 10 + b"\ntwo\n" + b"z" * 30 + b"\nend"
    lines = Lines(10)
    found = [line for at in range(0, len(output), size) for line in lines.feed(output[at : at + size])]
    assert [*found, *lines.end()] == [b"one", b"", b"y" * 10, b"two", b"end"]
    assert list(lines.end()) == []
