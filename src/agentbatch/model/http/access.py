"""How an endpoint is reached besides its address and its key: headers, a command that prints the key, certificates."""

import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from agentbatch.config import RoleSettings, Settings
from agentbatch.config.headers import has_key, read_header
from agentbatch.config.key_command import KeyCommand
from agentbatch.errors import UserError

Renew = Callable[[], Awaitable[str]]
"""Gives a key, anew. Raises UserError."""


@dataclass(frozen=True)
class Certificates:
    """Of TLS. None: the system's, or those of SSL_CERT_FILE and SSL_CERT_DIR."""

    ca_bundle: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None
    client_key_password: str = field(default="", repr=False)

    def context(self) -> ssl.SSLContext:
        """Raises UserError for files that cannot be used."""
        context = self._trusting()
        if self.client_cert is not None:
            password = self.client_key_password
            _check(self.client_cert, "--client-cert")
            if self.client_key is not None:
                _check(self.client_key, "--client-key")
            try:
                # Given in any case: else OpenSSL would ask for it at the terminal.
                context.load_cert_chain(self.client_cert, self.client_key, lambda: password)
            except (ssl.SSLError, OSError) as error:
                raise UserError(
                    f"--client-cert {self.client_cert}: {_reason(error)}. It has to be PEM with its key, or "
                    "--client-key names that; AGENTBATCH_CLIENT_KEY_PASSWORD opens it."
                ) from None
        return context

    def _trusting(self) -> ssl.SSLContext:
        if self.ca_bundle is None:
            import httpx2  # it knows where systems keep them; 0.1 s, for https only

            return httpx2.create_ssl_context()
        _check(self.ca_bundle, "--ca-bundle (SSL_CERT_FILE, REQUESTS_CA_BUNDLE)", folder=True)
        try:
            if self.ca_bundle.is_dir():
                return ssl.create_default_context(capath=self.ca_bundle)
            return ssl.create_default_context(cafile=self.ca_bundle)
        except (ssl.SSLError, OSError) as error:
            raise UserError(
                f"--ca-bundle {self.ca_bundle}: {_reason(error)}. It has to be a PEM file, or a folder of them."
            ) from None


@dataclass(frozen=True)
class Access:
    """Raises UserError at `of` for a command that cannot be run."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    renew: Renew | None = None
    certificates: Certificates = Certificates()

    @classmethod
    def of(
        cls,
        role: RoleSettings,
        settings: Settings,
        *,
        folder: Path,
        environ: Mapping[str, str],
        on_key: Callable[[str], None],
        grounds: Iterable[Path] = (),
    ) -> Self:
        """`folder`: where the run was started; `grounds`: where else its tasks work; `on_key` gets each key of a
        command before it is used."""
        command = role.key_command.get_secret_value()
        password = settings.client_key_password
        return cls(
            dict(read_header(header.get_secret_value()) for header in role.headers),
            KeyCommand(
                command,
                "The key's command (..._API_KEY_COMMAND)",
                folder=folder,
                environ=environ,
                grounds=grounds,
                on_key=on_key,
            )
            if command
            else None,
            Certificates(
                settings.ca_bundle,
                settings.client_cert,
                settings.client_key,
                password.get_secret_value() if password is not None else "",
            ),
        )

    @property
    def has_key(self) -> bool:
        """A header stands for the key."""
        return has_key(self.headers.items())


def _check(path: Path, name: str, *, folder: bool = False) -> None:
    if not (path.is_file() or (folder and path.is_dir())):
        raise UserError(f"{name}: there is no file {path}.")


def _reason(error: OSError) -> str:
    words = getattr(error, "reason", "") or error.strerror or str(error)
    return words.replace("_", " ").lower() if words.isupper() or "_" in words else words
