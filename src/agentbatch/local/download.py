"""Downloads a model file from the hub: checks disk space first, reports progress, resumes, verifies the checksum."""

import contextlib
import fcntl
import hashlib
import importlib.util
import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, Self

from agentbatch import __version__
from agentbatch.errors import UserError
from agentbatch.local.models_folder import SUFFIX
from agentbatch.local.server_plan import INSTALL
from agentbatch.local.sizing import gigabytes
from agentbatch.patterns import regex

SPARE_BYTES = 256 * 1024**2
"""Disk space that is left free."""

HASH_CHUNK = 4 * 1024**2

_SHA256 = regex(r"[0-9a-f]{64}")
_NAME = regex(r"[A-Za-z0-9][A-Za-z0-9._-]*")

Progress = Callable[[str, int, int], None]
"""Called with the phase (`downloading`, `checking`), the bytes so far, and all bytes."""


class DownloadFailed(Exception):
    """The download failed: a sentence. The partial file is kept for the next try unless it is damaged."""


class HubFile(NamedTuple):
    """A file on the hub."""

    repository: str
    name: str
    """Its path in the repository."""
    sha256: str = ""
    """The expected checksum; empty: the hub's."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `OWNER/REPOSITORY/FILE.gguf`. Raises UserError."""
        parts = text.split("/")
        if len(parts) < 3 or not text.endswith(SUFFIX) or not all(_NAME.fullmatch(part) for part in parts):
            raise UserError(
                f"{text!r} is not a model; write OWNER/REPOSITORY/FILE{SUFFIX}, or a name from `agentbatch models`."
            )
        return cls("/".join(parts[:2]), "/".join(parts[2:]))

    @property
    def local_name(self) -> str:
        return self.name.rpartition("/")[2]


class _RemoteFile(NamedTuple):
    """The hub's metadata of a file."""

    url: str
    headers: dict[str, str]
    size: int
    sha256: str


def pull(file: HubFile, folder: Path, progress: Progress) -> Path:
    """Download `file` into `folder`, and check it.

    Raises UserError for what the user has to fix (no such file, no space), DownloadFailed for the rest. After
    KeyboardInterrupt, the next call resumes.
    """
    if importlib.util.find_spec("huggingface_hub") is None:
        raise UserError(f"`models pull` needs huggingface_hub, which is not installed: {INSTALL}")
    target = folder / file.local_name
    with _hub_errors(file):
        remote = _look_up(file)
        if file.sha256 and remote.sha256 != file.sha256:
            raise DownloadFailed(
                f"The hub's {file.repository}/{file.name} is not the file in the catalogue: its sha256 is "
                f"{remote.sha256}, not {file.sha256}. Nothing was downloaded."
            )
        if (
            target.is_file()
            and target.stat().st_size == remote.size
            and _sha256_of(target, progress) == remote.sha256
        ):
            return target
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f"{file.local_name}.{remote.sha256[:12]}.part"
        with _locked(part) as content:
            _fetch(remote, content, part, progress)
            _check(remote, part, progress)
            part.replace(target)
    return target


def _look_up(file: HubFile) -> _RemoteFile:
    import huggingface_hub as hub
    from huggingface_hub import constants
    from huggingface_hub.utils._headers import build_hf_headers

    constants.HF_HUB_DISABLE_TELEMETRY = True
    url = hub.hf_hub_url(file.repository, file.name)
    headers: dict[str, str] = build_hf_headers()
    headers["user-agent"] = f"agentbatch/{__version__}"
    metadata = hub.get_hf_file_metadata(url, headers=headers)
    sha256 = (metadata.etag or "").lower()
    if not _SHA256.fullmatch(sha256) or not metadata.size:
        raise DownloadFailed(
            f"The hub gives no size and sha256 for {file.repository}/{file.name}, so it cannot be checked."
        )
    if not metadata.location.startswith(constants.ENDPOINT + "/"):
        headers.pop("authorization", None)  # the file is on another host, which must not get the key
    return _RemoteFile(metadata.location, headers, metadata.size, sha256)


def _fetch(remote: _RemoteFile, content: BinaryIO, part: Path, progress: Progress) -> None:
    from huggingface_hub.file_download import http_get

    have = content.seek(0, 2)
    if have > remote.size:
        have = content.truncate(content.seek(0))
    free = shutil.disk_usage(part.parent).free
    if remote.size - have + SPARE_BYTES > free:
        raise UserError(
            f"{part.parent} has {gigabytes(free)} GB free, but the download needs {gigabytes(remote.size - have)} GB "
            "more. Free some space, or set XDG_CACHE_HOME to a folder on a larger disk."
        )
    # Its warning at each retry would break the progress line.
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)

    class Bar(_Bar):
        report = staticmethod(progress)

    progress("downloading", have, remote.size)
    http_get(
        remote.url,
        content,
        resume_size=have,
        headers=remote.headers,
        expected_size=remote.size,
        tqdm_class=Bar,
    )
    content.flush()


def _check(remote: _RemoteFile, part: Path, progress: Progress) -> None:
    actual = _sha256_of(part, progress)
    if actual != remote.sha256:
        part.unlink()
        raise DownloadFailed(
            f"The downloaded file is damaged: its sha256 is {actual}, not {remote.sha256}. It was removed; pull it "
            "again."
        )


def _sha256_of(path: Path, progress: Progress) -> str:
    """The file's sha256."""
    digest, done, size = hashlib.sha256(), 0, path.stat().st_size
    with open(path, "rb") as content:
        while chunk := content.read(HASH_CHUNK):
            digest.update(chunk)
            done += len(chunk)
            progress("checking", done, size)
    return digest.hexdigest()


@contextlib.contextmanager
def _locked(part: Path) -> Iterator[BinaryIO]:
    """The partial file, locked so that no other process writes to it."""
    with open(part, "ab") as content:
        try:
            fcntl.flock(content, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(
                f"{part.name.rsplit('.', 2)[0]} is already being downloaded by another process."
            ) from None
        yield content


@contextlib.contextmanager
def _hub_errors(file: HubFile) -> Iterator[None]:
    """The hub's errors as sentences. The library's own texts are not shown: they are long, and contain signed URLs."""
    import httpx2
    from huggingface_hub import constants, errors

    shown, hub = f"{file.repository}/{file.name}", constants.ENDPOINT
    try:
        yield
    except errors.GatedRepoError:
        raise UserError(
            f"{shown} is only for accounts that have accepted its terms: accept them on the hub, and set HF_TOKEN."
        ) from None
    except (errors.RepositoryNotFoundError, errors.EntryNotFoundError, errors.RevisionNotFoundError):
        raise UserError(f"{hub} has no file {shown} (or it is private, and HF_TOKEN is not set).") from None
    except errors.HFValidationError:
        raise UserError(f"{shown!r} is not a valid file name on the hub.") from None
    except errors.OfflineModeIsEnabled:
        raise UserError("HF_HUB_OFFLINE is set, so nothing is downloaded.") from None
    except errors.HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else "no status"
        if status in (401, 403):
            raise UserError(
                f"{hub} refuses {shown} ({status}): there is no such repository, or HF_TOKEN is missing "
                "or has no access."
            ) from None
        raise DownloadFailed(
            f"{hub} answered {status} for {shown}. The partial download is kept; try again."
        ) from None
    except ImportError as error:  # the package's client, for a SOCKS proxy
        raise UserError(
            f"{hub} cannot be reached through the proxy that the environment names: {error} Or set HTTPS_PROXY to an "
            "HTTP proxy."
        ) from None
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise DownloadFailed(
            f"The connection to {hub} failed ({type(error).__name__}). The partial download is kept: the same command "
            "resumes it."
        ) from None
    except OSError as error:
        if error.strerror is None:  # the library's check of the length
            raise DownloadFailed(
                f"The download of {shown} broke off. The partial file is kept: the same command resumes it."
            ) from None
        raise DownloadFailed(
            f"The file could not be written: {error.strerror} ({error.filename or shown})."
        ) from None


class _Bar:
    """Used by `http_get` as a progress bar."""

    report: Progress

    def __init__(self, *, total: int | None = None, initial: int = 0, **_: object) -> None:
        self._done, self._total = initial, total or 0

    def update(self, count: int) -> None:
        self._done += count
        self.report("downloading", self._done, self._total)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass
