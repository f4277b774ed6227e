"""What a failing command's output says went wrong: its last error and the place in a file that it names. Pure."""

from typing import NamedTuple

from agentbatch.patterns import regex

MAX_LINE = 200
"""Characters of an error that are quoted."""

_ERROR = regex(
    r"^(E\s+)?[\w.]{0,80}(Error|Exception|Interrupt|Exit|Warning)\b(:|$)"  # Python, also as pytest prints it
    r"|^(FAILED|ERROR) [^\s(]"  # pytest's short summary
    r"|^(Uncaught |Exception in thread |panic: |thread '|fatal:|error(\[\w+\])?:)"  # node, Java, Go, Rust, git
    r"|:\d+:(\d+:)? (fatal )?error\b|\(\d+,\d+\): error\b"  # gcc, clang, TypeScript, C#
    r"|^\S{1,200}\.go:\d+:\d+: "
    r"|: (command not found|No such file or directory|Permission denied|syntax error\b)"  # the shell
)

_FRAME = regex(r'[ \t]*File "([^"\n]{1,300})", line (\d{1,7})')
_PLACE = regex(r"(?:^|[\s(])([^\s:()\"']{1,300}\.\w{1,8}):(\d{1,7})(?=[:)\s,]|$)")
_SHELL_PLACE = regex(r"^([^\s:]{1,300}): line (\d{1,7}):")
_BRACKETED = regex(r"^([^\s:()]{1,300}\.\w{1,8})\((\d{1,7}),\d{1,7}\)")

_FOREIGN = ("site-packages/", "dist-packages/", "node_modules/", "/lib/python", "<", "node:")
"""Parts of names that are not the coder's own files."""

_PASSING = regex(r"0x[0-9a-fA-F]+|\b\d+\.\d+ ?m?s(econds)?\b|\bline \d+|:\d+(:\d+)?(?=[:) ,]|$)|\(\d+,\d+\)")
"""What differs between two runs that failed alike: addresses, durations, and where in the file it was."""


class ErrorPlace(NamedTuple):
    """The last error of an output, and the file and line that it names; empty where none was found."""

    error: str = ""
    place: str = ""
    """`file:line`, the file as the output writes it, within `root` relative to it."""


def find_error(output: str, root: str) -> ErrorPlace:
    """What to look at after a command failed. `root` is the directory that its own files lie in."""
    lines = output.splitlines()
    errors = [line.strip() for line in lines if _ERROR.search(line)]
    last = errors[-1] if errors else next((line.strip() for line in reversed(lines) if line.strip()), "")
    return ErrorPlace(last[:MAX_LINE], _place(lines, root))


def failure_key(exit_code: int | None, output: str) -> str:
    """Equal for two failures of the same kind: the same errors, wherever in the file they were raised."""
    lines = [line for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if _ERROR.search(line)]
    telling = [*errors, *lines[-1:]]
    return "\n".join([str(exit_code), *(" ".join(_PASSING.sub("#", line).split()) for line in telling)])


def _place(lines: list[str], root: str) -> str:
    frames = [(m[1], m[2]) for line in lines if (m := _FRAME.match(line))]
    own = [_shown(name, number, root) for name, number in frames if not _foreign(name)]
    if own:
        return own[-1]
    for line in lines:
        for pattern in (_BRACKETED, _SHELL_PLACE, _PLACE):
            found = pattern.search(line[:1000])
            if found and not _foreign(found[1]):
                return _shown(found[1], found[2], root)
    return ""


def _foreign(name: str) -> bool:
    return any(part in name for part in _FOREIGN)


def _shown(name: str, number: str, root: str) -> str:
    return f"{name.removeprefix(root.rstrip('/') + '/').removeprefix('./')}:{number}"
