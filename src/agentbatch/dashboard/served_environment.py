"""The environment of a served app, by an allow-list. It reads a run's folder and needs no key, so it gets none."""

from collections.abc import Collection, Mapping

from agentbatch.dashboard.packets import Size
from agentbatch.redaction import MIN_SECRET
from agentbatch.workspace.shell.marks import MARK

_NAMES = """
PATH HOME USER LOGNAME SHELL TZ TMPDIR LANG LANGUAGE XDG_CONFIG_HOME XDG_CACHE_HOME XDG_STATE_HOME
PYTHONPATH PYTHONHOME VIRTUAL_ENV LD_LIBRARY_PATH NO_COLOR
AGENTBATCH_PRICES AGENTBATCH_COMPARE_MODELS
"""

PASSED = frozenset([*_NAMES.split(), MARK])
"""Variables that are passed on, besides every LC_*. PYTHONPATH: agentbatch may have been found through it. MARK: a
dashboard started by a task's command is found and ended with that command."""


def served_environment(
    environ: Mapping[str, str], secrets_names: Collection[str], size: Size
) -> dict[str, str]:
    """The allowed part of `environ`, and what makes Textual talk to us instead of to a terminal.

    Variables whose value contains the value of one in `secrets_names` are dropped.
    """
    keys = [environ[name] for name in secrets_names if len(environ.get(name, "")) >= MIN_SECRET]
    passed = {
        name: value
        for name, value in environ.items()
        if (name in PASSED or name.startswith("LC_")) and not any(key in value for key in keys)
    }
    return {
        "LANG": "C.UTF-8",
        **passed,
        "TERM": "xterm-256color",
        "TERM_PROGRAM": "textual",
        "TEXTUAL_DRIVER": "textual.drivers.web_driver:WebDriver",
        "TEXTUAL_COLOR_SYSTEM": "truecolor",
        "COLUMNS": str(size.columns),
        "ROWS": str(size.rows),
    }
