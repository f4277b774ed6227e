"""The id of a task that has none of its own: the same in every run, wherever the task stands in its file."""

import hashlib
import re
from pathlib import PurePath


def task_name(directory: str, prompt: str) -> str:
    """A slug of the directory (else of the prompt) and a hash of both."""
    digest = hashlib.sha256(f"{directory}\0{prompt}".encode(errors="surrogatepass")).hexdigest()[:8]
    source = PurePath(directory).name or prompt
    slug = re.sub(r"[^\w]+", "-", source.casefold()).strip("-_")[:32].rstrip("-_") or "task"
    return f"{slug}-{digest}"
