"""Where downloaded models lie, and which file a name means."""

import difflib
from collections.abc import Mapping
from pathlib import Path

from agentbatch.errors import UserError
from agentbatch.local.catalogue import CATALOGUE

SUFFIX = ".gguf"


def models_folder(environ: Mapping[str, str]) -> Path:
    """`agentbatch/models` in the user's cache."""
    cache = environ.get("XDG_CACHE_HOME", "")
    home = Path(environ.get("HOME") or Path.home())
    return (Path(cache) if cache.startswith("/") else home / ".cache") / "agentbatch" / "models"


def present(folder: Path) -> dict[str, Path]:
    """The downloaded models by file name."""
    if not folder.is_dir():
        return {}
    return {path.name: path for path in sorted(folder.iterdir()) if path.suffix == SUFFIX and path.is_file()}


def find_model(given: str, folder: Path, environ: Mapping[str, str]) -> tuple[str, Path]:
    """The model's name and file. `given` is a file (relative to `folder`), a name of the catalogue, or the name of a
    downloaded file without its ending.

    Raises UserError when there is no such file, or the model has not been downloaded.
    """
    if given.lower().endswith(SUFFIX) or "/" in given:
        path = (folder / Path(given).expanduser()).absolute()
        if path.is_dir():
            raise UserError(f"--local: {path} is a folder; name a .gguf file in it.")
        if not path.is_file():
            raise UserError(f"--local: there is no file {path}.")
        return path.name.removesuffix(SUFFIX), path
    downloaded = present(models_folder(environ))
    names = {model.name: model.file for model in CATALOGUE}
    names |= {file.removesuffix(SUFFIX): file for file in downloaded if file not in names.values()}
    wanted = next((name for name in names if name.lower() == given.lower()), None)
    if wanted is None:
        close = difflib.get_close_matches(given.lower(), names, n=1)
        hint = (
            f"did you mean {close[0]}?" if close else "`agentbatch models` lists them; a file ends in .gguf."
        )
        raise UserError(f"--local: there is no model {given!r}; {hint}")
    if names[wanted] not in downloaded:
        raise UserError(
            f"--local: {wanted} is not on this machine yet; get it with `agentbatch models pull {wanted}`."
        )
    return wanted, downloaded[names[wanted]]
