"""Where well-known programs keep passwords and keys below HOME."""

from functools import lru_cache
from pathlib import Path

_NAMES = """
.ssh .gnupg .aws .azure .kube .docker .netrc .git-credentials .pypirc .npmrc .yarnrc.yml .vault-token
.password-store .pgpass .my.cnf .pip .bash_history .zsh_history .python_history .mozilla .thunderbird
.config/gcloud .config/gh .config/hub .config/pip .config/pypoetry .config/composer/auth.json .config/op
.config/sops .config/rclone .config/google-chrome .config/chromium .local/share/keyrings
.local/share/uv/credentials .cargo/credentials .cargo/credentials.toml .gem/credentials .bundle/config
.m2/settings.xml .m2/settings-security.xml .gradle/gradle.properties .sbt/.credentials
.nuget/NuGet/NuGet.Config .terraform.d/credentials.tfrc.json .composer/auth.json
"""
PLACES = tuple(_NAMES.split())
"""Relative to HOME; folders and files."""


@lru_cache(maxsize=8)
def credential_places(home: Path) -> frozenset[Path]:
    """Those that exist, resolved; looked up once, since every task of a run asks."""
    return frozenset((home / place).resolve() for place in PLACES if (home / place).exists())
