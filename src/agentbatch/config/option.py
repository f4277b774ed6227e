"""The flag and the variables of a setting, which stand at its field."""

from typing import NamedTuple


class Option(NamedTuple):
    """How a setting is reached besides its field name."""

    flag: str | None
    """The command-line flag; None for settings that only have variables."""
    env: tuple[str, ...]
    """Environment variables, the first one that is set wins."""
    metavar: str = ""
    group: str = "run"
    alone: str = ""
    """The value that the flag stands for where it has none; empty: it needs one."""

    def name(self, field: str) -> str:
        """What a setting is called in sentences: its flag's word, which is the field's nearly always."""
        return self.flag.rpartition("--")[2].replace("-", "_") if self.flag else field

    def words(self, value: str) -> list[str]:
        """How a command line says it; a value that looks like a flag only the long name can take."""
        short, _, long = (self.flag or "").partition("/")
        return [f"{long or short}={value}"] if value.startswith("-") else [short, value]


def option(
    flag: str | None, env: str | tuple[str, ...], metavar: str = "", group: str = "run", alone: str = ""
) -> Option:
    return Option(flag, (env,) if isinstance(env, str) else env, metavar, group, alone)
