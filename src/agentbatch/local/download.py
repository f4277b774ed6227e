"""Getting a model file from the hub: space checked first, progress, resumed where it broke off, checksum at the end."""

import contextlib
import fcntl
import hashlib
import importlib.util
import logging
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple, Self

from agentbatch import __version__
from agentbatch.errors import UserError
from agentbatch.local.models_folder import SUFFIX
from agentbatch.local.server_plan import INSTALL
from agentbatch.local.sizing import gigabytes

SPARE_BYTES = 256 * 1024**2
"""Left free on the disk."""

HASH_CHUNK = 4 * 1024**2

_SHA256 = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

Progress = Callable[[str, int, int], None]
"""What is done (`downloading`, `checking`), bytes so far, bytes in all."""


class DownloadFailed(Exception):
    """The file could not be had: a sentence. What has come is kept for the next try, if it may be right."""


class HubFile(NamedTuple):
    """A file on the hub."""

    repository: str
    name: str
    """Its path in the repository."""
    sha256: str = ""
    """What it must be; empty: whatever the hub says."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `OWNER/REPOSITORY/FILE.gguf`. Raises UserError."""
        parts = text.split("/")
        if len(parts) < 3 or not text.endswith(SUFFIX) or not all(_NAME.fullmatch(part) for part in parts):
            raise UserError(
                f"{text!r} names no model; write OWNER/REPOSITORY/FILE{SUFFIX}, or a name of `agentbatch models`."
            )
        return cls("/".join(parts[:2]), "/".join(parts[2:]))

    @property
    def local_name(self) -> str:
        return self.name.rpartition("/")[2]


class _Found(NamedTuple):
    """What the hub says of a file."""

    url: str
    headers: dict[str, str]
    size: int
    sha256: str


def pull(file: HubFile, folder: Path, progress: Progress) -> Path:
    """Download `file` into `folder`, and check it.

    Raises UserError for what a person has to mend (no such file, no space), DownloadFailed for the rest. Interrupted
    by KeyboardInterrupt, it goes on the next time where it was.
    """
    if importlib.util.find_spec("huggingface_hub") is None:
        raise UserError(f"`models pull` needs huggingface_hub, which is not installed: {INSTALL}")
    target = folder / file.local_name
    with _hub_errors(file):
        found = _look_up(file)
        if file.sha256 and found.sha256 != file.sha256:
            raise DownloadFailed(
                f"The hub's {file.repository}/{file.name} is another file than the catalogue's: its sha256 is "
                f"{found.sha256}, not {file.sha256}. Nothing was downloaded."
            )
        if (
            target.is_file()
            and target.stat().st_size == found.size
            and _sum(target, progress) == found.sha256
        ):
            return target
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f"{file.local_name}.{found.sha256[:12]}.part"
        with _alone(part) as content:
            _fetch(found, content, part, progress)
            _check(found, part, progress)
            part.replace(target)
    return target


def _look_up(file: HubFile) -> _Found:
    import huggingface_hub as hub
    from huggingface_hub import constants
    from huggingface_hub.utils._headers import build_hf_headers

    constants.HF_HUB_DISABLE_TELEMETRY = True
    url = hub.hf_hub_url(file.repository, file.name)
    headers: dict[str, str] = build_hf_headers()
    headers["user-agent"] = f"agentbatch/{__version__}"
    told = hub.get_hf_file_metadata(url, headers=headers)
    sha256 = (told.etag or "").lower()
    if not _SHA256.fullmatch(sha256) or not told.size:
        raise DownloadFailed(
            f"The hub names no size and sha256 for {file.repository}/{file.name}, so it cannot be checked."
        )
    if not told.location.startswith(constants.ENDPOINT + "/"):
        headers.pop("authorization", None)  # the file lies on another host, which the key is not for
    return _Found(told.location, headers, told.size, sha256)


def _fetch(found: _Found, content: BinaryIO, part: Path, progress: Progress) -> None:
    from huggingface_hub.file_download import http_get

    have = content.seek(0, 2)
    if have > found.size:
        have = content.truncate(content.seek(0))
    free = shutil.disk_usage(part.parent).free
    if found.size - have + SPARE_BYTES > free:
        raise UserError(
            f"{part.parent} has {gigabytes(free)} GB free, and {gigabytes(found.size - have)} GB are still to come. "
            "Make room, or set XDG_CACHE_HOME to a folder on a larger disk."
        )
    # Its warnings of each retry would tear the progress line apart.
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)

    class Bar(_Bar):
        tell = staticmethod(progress)

    progress("downloading", have, found.size)
    http_get(
        found.url,
        content,
        resume_size=have,
        headers=found.headers,
        expected_size=found.size,
        tqdm_class=Bar,
    )
    content.flush()


def _check(found: _Found, part: Path, progress: Progress) -> None:
    actual = _sum(part, progress)
    if actual != found.sha256:
        part.unlink()
        raise DownloadFailed(
            f"What came is damaged: its sha256 is {actual}, and should be {found.sha256}. "
            "It was removed; pull it again."
        )


def _sum(path: Path, progress: Progress) -> str:
    """The file's sha256."""
    digest, done, size = hashlib.sha256(), 0, path.stat().st_size
    with open(path, "rb") as content:
        while chunk := content.read(HASH_CHUNK):
            digest.update(chunk)
            done += len(chunk)
            progress("checking", done, size)
    return digest.hexdigest()


@contextlib.contextmanager
def _alone(part: Path) -> Iterator[BinaryIO]:
    """The partial file, held so that no other process writes into it."""
    with open(part, "ab") as content:
        try:
            fcntl.flock(content, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(
                f"{part.name.rsplit('.', 2)[0]} is being downloaded by another process already."
            ) from None
        yield content


@contextlib.contextmanager
def _hub_errors(file: HubFile) -> Iterator[None]:
    """The hub's errors as sentences. The library's own texts are not shown: they are long, and quote addresses that
    carry signatures."""
    import httpx2
    from huggingface_hub import constants, errors

    shown, hub = f"{file.repository}/{file.name}", constants.ENDPOINT
    try:
        yield
    except errors.GatedRepoError:
        raise UserError(
            f"{shown} is given only to accounts that have accepted its terms: accept them on the hub, and set HF_TOKEN."
        ) from None
    except (errors.RepositoryNotFoundError, errors.EntryNotFoundError, errors.RevisionNotFoundError):
        raise UserError(f"{hub} has no file {shown} (or it is private, and HF_TOKEN is not set).") from None
    except errors.HFValidationError:
        raise UserError(f"{shown!r} cannot be the name of a file on the hub.") from None
    except errors.OfflineModeIsEnabled:
        raise UserError("HF_HUB_OFFLINE is set, so nothing is downloaded.") from None
    except errors.HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else "no status"
        if status in (401, 403):
            raise UserError(
                f"{hub} refuses {shown} ({status}): there is no such repository, or HF_TOKEN is missing, "
                "or not allowed there."
            ) from None
        raise DownloadFailed(
            f"{hub} answered {status} for {shown}. What has come is kept; try again."
        ) from None
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise DownloadFailed(
            f"The connection to {hub} failed ({type(error).__name__}). What has come is kept: the same command goes on "
            "from there."
        ) from None
    except OSError as error:
        if error.strerror is None:  # the library's check of the length
            raise DownloadFailed(
                f"The download of {shown} broke off. What has come is kept: the same command goes on from there."
            ) from None
        raise DownloadFailed(
            f"The file could not be written: {error.strerror} ({error.filename or shown})."
        ) from None


class _Bar:
    """What `http_get` takes for a progress bar."""

    tell: Progress

    def __init__(self, *, total: int | None = None, initial: int = 0, **_: object) -> None:
        self._done, self._total = initial, total or 0

    def update(self, count: int) -> None:
        self._done += count
        self.tell("downloading", self._done, self._total)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass
