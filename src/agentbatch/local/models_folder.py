"""Where downloaded models are kept, and which file a name refers to."""

from collections.abc import Mapping
from pathlib import Path

from agentbatch.errors import UserError
from agentbatch.files import cache_folder
from agentbatch.local.catalogue import CATALOGUE
from agentbatch.text import nearest

SUFFIX = ".gguf"


def models_folder(environ: Mapping[str, str]) -> Path:
    """`agentbatch/models` in the user's cache."""
    return cache_folder(environ) / "models"


def downloaded_models(folder: Path) -> dict[str, Path]:
    """The downloaded models, by file name."""
    if not folder.is_dir():
        return {}
    return {path.name: path for path in sorted(folder.iterdir()) if path.suffix == SUFFIX and path.is_file()}


def find_model(model: str, folder: Path, environ: Mapping[str, str]) -> tuple[str, Path]:
    """The model's name and file. `model`: a file (relative to `folder`), a name in the catalogue, or the name of a
    downloaded file without its suffix.

    Raises UserError when there is no such file, or the model has not been downloaded.
    """
    if model.lower().endswith(SUFFIX) or "/" in model:
        path = (folder / Path(model).expanduser()).absolute()
        if path.is_dir():
            raise UserError(f"--local: {path} is a folder; name a .gguf file in it.")
        if not path.is_file():
            raise UserError(f"--local: there is no file {path}.")
        return path.name.removesuffix(SUFFIX), path
    downloaded = downloaded_models(models_folder(environ))
    names = {entry.name: entry.file for entry in CATALOGUE}
    names |= {file.removesuffix(SUFFIX): file for file in downloaded if file not in names.values()}
    wanted = next((name for name in names if name.lower() == model.lower()), None)
    if wanted is None:
        close = nearest(model.lower(), names)
        hint = (
            f"did you mean {close}?" if close else "`agentbatch models` lists them; file names end in .gguf."
        )
        raise UserError(f"--local: there is no model {model!r}; {hint}")
    if names[wanted] not in downloaded:
        raise UserError(
            f"--local: {wanted} has not been downloaded yet; get it with `agentbatch models pull {wanted}`."
        )
    return wanted, downloaded[names[wanted]]
