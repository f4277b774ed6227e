"""Completions for fish."""

from collections.abc import Iterator, Sequence

from agentbatch.cli.completions.posix import HEAD
from agentbatch.cli.completions.words import Flag, Level, Value

FIND = r"""
function __agentbatch_level  # the command that the words so far name
    set -l level
    for word in (commandline -opc)[2..-1]
        set -l next (string join ' ' -- $level $word)
        contains -- $next $__agentbatch_levels; and set level $next
    end
    echo $level
end

function __agentbatch_at
    test (__agentbatch_level) = "$argv[1]"
end

function __agentbatch_runs
    for one in .agentbatch/runs/*/run.db
        string match -r -- '(*UCP)^\\w[\\w.-]*$' (path basename (path dirname $one))
    end
end

function __agentbatch_tasks  # of the newest run, as far as they have begun
    set -l run (__agentbatch_runs)[-1]
    test -n "$run"; or return
    for one in .agentbatch/runs/$run/tasks/*/
        string match -r -- '(*UCP)^\\w[\\w.@-]*$' (path basename $one)
    end
end

complete -c agentbatch -f
"""
OFFERED = {
    "folder": "(__fish_complete_directories)",
    "run": "(__agentbatch_runs)",
    "task": "(__agentbatch_tasks)",
}


def script(levels: Sequence[Level]) -> str:
    known = " ".join(_quoted(" ".join(level.words)) for level in levels if level.words)
    lines = [line for level in levels for line in _lines(level, levels)]
    return "\n".join([HEAD.format(shell="fish"), f"set -g __agentbatch_levels {known}", FIND, *lines, ""])


def _lines(level: Level, levels: Sequence[Level]) -> Iterator[str]:
    here = "__agentbatch_at " + _quoted(" ".join(level.words))
    begin = f"complete -c agentbatch -n {_quoted(here)}"
    about = {
        other.words[-1]: other.about for other in levels if other.words and other.words[:-1] == level.words
    }
    for word in level.operands.words:
        told = f" -d {_quoted(about[word])}" if about.get(word) else ""
        yield f"{begin} -a {_quoted(word)}{told}"
    yield from (f"{begin}{found}" for found in _places(level.operands))
    yield from (f"{begin}{_flag(flag)}" for flag in level.flags)


def _places(value: Value) -> Iterator[str]:
    for kind in value.kinds:
        yield " -F" if kind == "file" else f" -a {_quoted(OFFERED[kind])}"


def _flag(flag: Flag) -> str:
    names = " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in flag.names)
    told = f" -d {_quoted(flag.about)}" if flag.about else ""
    if flag.value is None or flag.may_stand_alone:
        return f" {names}{told}"
    offered = [*flag.value.words, *(OFFERED[kind] for kind in flag.value.kinds if kind != "file")]
    after = " -r -F" if "file" in flag.value.kinds else " -x"
    given = " -a " + _quoted(" ".join(offered)) if offered else ""
    return f" {names}{after}{given}{told}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
