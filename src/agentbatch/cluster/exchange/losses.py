"""That a machine or what ran on it is lost, and why, in words for a person. Pure."""

from agentbatch.patterns import regex

REASONS = {
    "No module named": "agentbatch, or what it needs, is not installed there",
    "its node has died": "the node is gone",
    "node was terminated": "the node is gone",
    "node has been": "the node is gone",
    "running low on memory": "its memory was used up",
    "memory usage threshold": "its memory was used up",
    "OutOfMemory": "its memory was used up",
    "is unavailable": "it cannot be reached",
    "owner has died": "the engine's connection ended",
    "worker process has died": "its process ended",
    "ray.kill": "it was ended from elsewhere",
    "exit_actor": "it ended itself",
    "never ran": "it was gone before it began",
    "RuntimeEnv": "what it needs could not be installed",
}
"""What of Ray's own words (2.60) says it, the surest first."""

UNINSTALLED = "it cannot be installed: "
"""How the process of Ray says that machines cannot get what they lack."""

CLASS = regex(r"^[\w.]+(Error|Exception): ")

MAX_WORDS = 300


class Lost(Exception):
    """The machine that was asked is gone, or was not heard of: what it did is not known."""

    step = ""
    """What was asked of it, where that was a step of the task."""
    generation = 0
    """Which of a task's machines was asked, from 1; 0: the one that it has now."""


class HeadLost(Lost):
    """The cluster's head does not answer any more: nothing is known of any machine."""


def in_words(error: BaseException) -> str:
    """Without Ray's traces, numbers and colours."""
    text = str(error)
    for words, reason in REASONS.items():
        if words in text:
            return reason
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return CLASS.sub("", lines[-1] if lines else type(error).__name__)[:MAX_WORDS].rstrip(".")
