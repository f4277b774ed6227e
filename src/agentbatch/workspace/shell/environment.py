"""The environment of a task's commands: an allow-list, so that a key is left out without being known."""

from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

from agentbatch.redaction import MIN_SECRET
from agentbatch.workspace.shell.marks import MARK

_TOOLCHAINS = """
PYENV_ROOT PYENV_VERSION VIRTUAL_ENV CONDA_PREFIX CONDA_DEFAULT_ENV UV_CACHE_DIR UV_PYTHON_INSTALL_DIR
NVM_DIR NVM_BIN NODE_PATH VOLTA_HOME BUN_INSTALL DENO_DIR PNPM_HOME
CARGO_HOME RUSTUP_HOME RUSTUP_TOOLCHAIN RUSTUP_AUTO_INSTALL
GOPATH GOROOT GOCACHE GOMODCACHE GOFLAGS GOTOOLCHAIN
JAVA_HOME JDK_HOME MAVEN_HOME M2_HOME GRADLE_HOME SDKMAN_DIR ANDROID_HOME ANDROID_SDK_ROOT
RBENV_ROOT GEM_HOME GEM_PATH DOTNET_ROOT ASDF_DIR ASDF_DATA_DIR MISE_DATA_DIR NIX_PATH NIX_PROFILES
LD_LIBRARY_PATH LIBRARY_PATH CPATH PKG_CONFIG_PATH CMAKE_PREFIX_PATH CC CXX
CUDA_HOME CUDA_PATH CUDA_VISIBLE_DEVICES
PIP_DEFAULT_TIMEOUT PIP_CONSTRAINT
"""
_CERTIFICATES = """
SSL_CERT_FILE SSL_CERT_DIR NIX_SSL_CERT_FILE REQUESTS_CA_BUNDLE CURL_CA_BUNDLE PIP_CERT GIT_SSL_CAINFO
NODE_EXTRA_CA_CERTS
"""
_ADDRESSES = """
HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY http_proxy https_proxy all_proxy no_proxy
PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_FIND_LINKS PIP_TRUSTED_HOST
UV_INDEX_URL UV_EXTRA_INDEX_URL UV_DEFAULT_INDEX UV_INDEX UV_FIND_LINKS
GOPROXY GOSUMDB NPM_CONFIG_REGISTRY npm_config_registry
"""
_BASICS = "PATH HOME USER LOGNAME SHELL TZ TMPDIR LANG LANGUAGE"

PASSED = frozenset([*_BASICS.split(), *_TOOLCHAINS.split(), *_CERTIFICATES.split(), MARK])
"""Names that are passed on as they are; besides them every LC_*. The mark is there for an agentbatch that
runs inside a command of another one."""

PASSED_WITHOUT_PASSWORD = frozenset(_ADDRESSES.split())
"""Names whose values are URLs that may hold a user and a password: passed only when they hold none. A task
that needs one with a password names it in its own `env`."""

_OF_ANY_MACHINE = frozenset(("TZ", *PASSED_WITHOUT_PASSWORD))
"""What means the same in a container."""

UNATTENDED = {
    "TERM": "dumb",
    "NO_COLOR": "1",
    "PAGER": "cat",
    "GIT_PAGER": "cat",
    "MANPAGER": "cat",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_EDITOR": "true",
    "EDITOR": "true",
    "VISUAL": "true",
    "DEBIAN_FRONTEND": "noninteractive",
    "PIP_NO_INPUT": "1",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "NPM_CONFIG_YES": "true",
    "NPM_CONFIG_FUND": "false",
    "NPM_CONFIG_UPDATE_NOTIFIER": "false",
    "PYTHONUNBUFFERED": "1",
}
"""Settings under which tools ask nothing, page nothing and colour nothing."""


def shell_environment(
    environ: Mapping[str, str], extra: Mapping[str, str], secrets_names: Collection[str]
) -> dict[str, str]:
    """The variables for commands: what `environ` may pass on, then UNATTENDED, then the task's own `extra`.

    No variable named in `secrets_names` gets in, not even through `extra`; nor does an allowed variable of
    `environ` whose value contains one of theirs.
    """
    secrets = [environ[name] for name in secrets_names if len(environ.get(name, "")) >= MIN_SECRET]
    chosen = {
        name: value
        for name, value in environ.items()
        if _may_pass(name, value) and not any(secret in value for secret in secrets)
    }
    chosen.setdefault("LANG", "C.UTF-8")
    return {
        name: value for name, value in {**chosen, **UNATTENDED, **extra}.items() if name not in secrets_names
    }


def container_environment(
    environ: Mapping[str, str], extra: Mapping[str, str], secrets_names: Collection[str]
) -> dict[str, str]:
    """The same for commands in a container, whose image has its own PATH, HOME, toolchains and languages: of `environ`
    the time zone and addresses are passed on."""
    whole = shell_environment(environ, extra, secrets_names)
    own = {*extra, *UNATTENDED, *_OF_ANY_MACHINE}
    return {name: value for name, value in whole.items() if name in own}


def _may_pass(name: str, value: str) -> bool:
    if name in PASSED_WITHOUT_PASSWORD:
        return not any(_holds_password(part) for part in value.replace(",", " ").replace("|", " ").split())
    return name in PASSED or name.startswith("LC_")


def _holds_password(address: str) -> bool:
    """True also for a broken address, which is not worth passing. `user:pass@proxy:80` has no scheme."""
    try:
        return "@" in urlsplit(address if "//" in address else f"//{address}").netloc
    except ValueError:
        return True
