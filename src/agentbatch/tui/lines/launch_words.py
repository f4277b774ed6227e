"""The command line that starts what the launch screen shows: the words it came with, and what was chosen. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from agentbatch.config import Settings, options

MODES = ("--serial", "--parallel", "--concurrency", "--test")
NOT_FOR_AN_ENGINE = ("--display", "--json", "--daemon", "--dry-run")
"""How it is shown is decided here; the others start no engine that could be watched."""


def launch_words(words: Sequence[str], chosen: Mapping[str, str]) -> list[str]:
    """`chosen`: values by setting; a `mode` is among them, and `parallel` where it is the mode.

    What is chosen replaces the same flag in `words`; the rest of them stays as it is.
    """
    named = [field for field in chosen if field not in ("mode", "parallel")]
    gone = {*MODES, *NOT_FOR_AN_ENGINE, *(flag for field in named for flag in _flags(field))}
    mode = chosen["mode"]
    front = [f"--{mode}", *([chosen["parallel"]] if mode == "parallel" else [])]
    return [*front, *(f"{_flags(field)[-1]}={chosen[field]}" for field in named), *_without(words, gone)]


def value_of(words: Sequence[str], flag: str) -> str | None:
    """What a flag that takes a value was given; None: it is not there."""
    found = None
    for place, word in enumerate(words):
        if word == "--":
            break
        if word == flag and place + 1 < len(words):
            found = words[place + 1]
        elif word.startswith(f"{flag}="):
            found = word.partition("=")[2]
    return found


def _without(words: Sequence[str], gone: set[str]) -> Iterator[str]:
    """The words but for the flags in `gone` and their values."""
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            yield from (word, *rest)
            return
        flag, equals, _ = word.partition("=")
        takes = not equals and _takes_value(flag)
        if flag == "--parallel" or any(
            flag in _flags(field) and one.alone for field, one in options().items()
        ):
            takes = not equals and bool(rest) and not rest[0].startswith("-")
        value = [rest.pop(0)] if takes and rest else []
        if flag not in gone:
            yield from (word, *value)


def _flags(field: str) -> list[str]:
    return (options()[field].flag or "").split("/")


def _takes_value(flag: str) -> bool:
    return flag in ("--env-file", "--concurrency") or any(
        flag in _flags(field) and Settings.model_fields[field].annotation is not bool for field in options()
    )
