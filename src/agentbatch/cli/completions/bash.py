"""Completions for bash 3.2 and newer."""

from collections.abc import Sequence

from agentbatch.cli.completions.posix import FIND, HEAD, tables
from agentbatch.cli.completions.words import Level

COMPLETE = r"""
_agentbatch_offer() {  # lines of standard input that begin with what is there
    local line
    while IFS= read -r line; do
        case $line in "$cur"*) COMPREPLY[${#COMPREPLY[@]}]=$line ;; esac
    done
}

_agentbatch() {
    local cur=${COMP_WORDS[COMP_CWORD]} level= pending= at= flags= offered= kinds= takes= i word kind
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        case $word in
        =) ;;  # --option=value is three words
        -*) at="$level $word"; _agentbatch_flag "$at"; pending=$takes ;;
        *)
            if [ "$pending" != one ] && _agentbatch_level "${level:+$level }$word"; then
                level="${level:+$level }$word"
            fi
            pending= ;;
        esac
    done
    [ "$cur" != = ] || cur=
    _agentbatch_level "$level"
    case $pending,$cur in
    one,*|maybe,[!-]*|maybe,) _agentbatch_flag "$at" ;;
    *,-*) offered=$flags kinds= ;;
    esac
    _agentbatch_offer < <(
        [ -z "$offered" ] || printf '%s\n' $offered
        for kind in $kinds; do
            case $kind in
            file) compgen -f -- "$cur" ;;
            folder) compgen -d -- "$cur" ;;
            run) _agentbatch_runs ;;
            task) _agentbatch_tasks ;;
            esac
        done
    )
    case $kinds in *file*|*folder*) compopt -o filenames 2> /dev/null ;; esac
}

complete -F _agentbatch agentbatch
"""


def script(levels: Sequence[Level]) -> str:
    return HEAD.format(shell="bash") + FIND + tables(levels) + COMPLETE
