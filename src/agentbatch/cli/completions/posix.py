"""What the scripts for bash and zsh have in common: `case` statements out of levels and flags."""

import shlex
from collections.abc import Sequence

from agentbatch.cli.completions.words import Level, Value

HEAD = "# Completions of agentbatch, made by `agentbatch completions {shell}`.\n"

FIND = r"""
_agentbatch_runs() {  # ids, the newest last
    local one
    for one in .agentbatch/runs/*/run.db; do
        one=${one%/run.db}; one=${one##*/}
        case $one in ''|-*|.*|*[![:alnum:]_.-]*) ;; *) printf '%s\n' "$one" ;; esac
    done
}

_agentbatch_tasks() {  # of the newest run, as far as they have begun
    local run one
    run=$(_agentbatch_runs | tail -n 1)
    [ -n "$run" ] || return 0
    for one in ".agentbatch/runs/$run/tasks"/*/; do
        one=${one%/}; one=${one##*/}
        case $one in ''|-*|.*|*[![:alnum:]_.@-]*) ;; *) printf '%s\n' "$one" ;; esac
    done
}
"""
"""What lies there a task may have named: names that are none of ours are left out, and nothing of them is expanded."""


def tables(levels: Sequence[Level]) -> str:
    """Functions that set `offered` and `kinds`, for a command with `flags` too, for a flag with `takes`."""
    of_level, of_flag = [], []
    for level in levels:
        name = " ".join(level.words)
        flags = " ".join(one for flag in level.flags for one in flag.names)
        of_level.append(f"    {shlex.quote(name)}) flags={shlex.quote(flags)} {_value(level.operands)} ;;")
        for flag in level.flags:
            if flag.value is not None:
                keys = "|".join(shlex.quote(f"{name} {one}") for one in flag.names)
                takes = "maybe" if flag.may_stand_alone else "one"
                of_flag.append(f"    {keys}) takes={takes} {_value(flag.value)} ;;")
    return (
        "\n_agentbatch_level() {\n    case $1 in\n"
        + "\n".join(of_level)
        + "\n    *) return 1 ;;\n    esac\n}\n"
        "\n_agentbatch_flag() {\n    takes=\n    case $1 in\n" + "\n".join(of_flag) + "\n    esac\n}\n"
    )


def _value(value: Value) -> str:
    return f"offered={shlex.quote(' '.join(value.words))} kinds={shlex.quote(' '.join(value.kinds))}"
