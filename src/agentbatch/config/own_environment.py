"""The variables for programs that we run ourselves: what they search through leads to no directory of a task."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

_SEARCHED = """
PYTHONPATH PYTHONHOME PYTHONSTARTUP NODE_PATH PERL5LIB PERLLIB PERL5DB RUBYLIB GEM_PATH GEM_HOME CLASSPATH
LD_LIBRARY_PATH LD_PRELOAD LD_AUDIT DYLD_LIBRARY_PATH DYLD_INSERT_LIBRARIES DYLD_FRAMEWORK_PATH BASH_ENV ENV ZDOTDIR
"""
SEARCHED = frozenset(_SEARCHED.split())
"""Besides PATH: where programs and interpreters find what they run, one place or several, parted as PATH is."""


def own_environment(environ: Mapping[str, str], directories: Iterable[Path]) -> dict[str, str]:
    """`environ`, in which PATH and what is SEARCHED are without places that are relative or lie in one of
    `directories` (resolved), where a task can put a `git` of its own."""
    places = set(directories)  # of ten thousand tasks, perhaps

    def outside(value: str) -> str:
        kept = (entry for entry in value.split(os.pathsep) if _is_outside(entry, places))
        return os.pathsep.join(kept)

    found = dict(environ)
    for name in SEARCHED & found.keys():
        found[name] = outside(found[name])
        if not found[name]:
            del found[name]  # an empty one may mean the directory where the program runs
    return found | {"PATH": outside(environ.get("PATH", os.defpath)) or os.defpath}


def _is_outside(entry: str, places: set[Path]) -> bool:
    if not os.path.isabs(entry):
        return False
    place = Path(entry).resolve()
    return places.isdisjoint((place, *place.parents))
