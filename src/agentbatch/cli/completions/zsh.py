"""Completions for zsh."""

from collections.abc import Sequence

from agentbatch.cli.completions.posix import FIND, HEAD, tables
from agentbatch.cli.completions.words import Level

COMPLETE = r"""
_agentbatch() {
    local cur=$words[CURRENT] level= pending= at= flags= offered= kinds= takes= i word kind
    for ((i = 2; i < CURRENT; i++)); do
        word=$words[i]
        case $word in
        -*=*) pending= ;;
        -*) at="$level $word"; _agentbatch_flag "$at"; pending=$takes ;;
        *)
            if [[ $pending != one ]] && _agentbatch_level "${level:+$level }$word"; then
                level="${level:+$level }$word"
            fi
            pending= ;;
        esac
    done
    _agentbatch_level "$level"
    if [[ $cur == -*=* ]]; then
        at="$level ${cur%%=*}" pending=one
        compset -P 1 '*='
    fi
    case $pending,$cur in
    one,*|maybe,[^-]*|maybe,) _agentbatch_flag "$at" ;;
    *,-*) offered=$flags kinds= ;;
    esac
    compadd -- ${=offered}
    for kind in ${=kinds}; do
        case $kind in
        file) _files ;;
        folder) _files -/ ;;
        run) compadd -- ${(f)"$(setopt no_nomatch; _agentbatch_runs)"} ;;
        task) compadd -- ${(f)"$(setopt no_nomatch; _agentbatch_tasks)"} ;;
        esac
    done
}

if [[ $funcstack[1] == _agentbatch ]]; then
    _agentbatch "$@"  # of a file in $fpath
else
    compdef _agentbatch agentbatch
fi
"""


def script(levels: Sequence[Level]) -> str:
    return "#compdef agentbatch\n" + HEAD.format(shell="zsh") + FIND + tables(levels) + COMPLETE
