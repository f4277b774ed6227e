"""The engine's own profile of system calls, and on top of it what no command may ask for (`seccomp.REFUSED`). Podman's
leaves containers their user namespaces and keys, so that others can be built in them (containers/common, pkg/seccomp);
Docker's does not (moby/profiles)."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from agentbatch.workspace.sandbox.seccomp import AF_VSOCK, REFUSED, RefusedCall

Profile = Mapping[str, Any]
"""As engines read it (containers/common, pkg/seccomp/types.go)."""
Rule = dict[str, Any]

SOCKETS = frozenset({"socket", "socketcall"})
NEEDLESS = frozenset({"ioctl"})
"""A container has no terminal of ours."""
FAMILIES = range(46)
"""Of sockets, by linux/socket.h."""
ALLOW = "SCMP_ACT_ALLOW"


def hardened(profile: Profile, *, network: bool) -> Rule:
    """`profile` without what is refused, whatever it said of that. Pure. Raises ValueError where it is none."""
    refused = [one for one in REFUSED if one.call not in SOCKETS | NEEDLESS]
    try:
        allows = profile["defaultAction"] == ALLOW
        ours = frozenset(one.call for one in refused) | (frozenset() if network else SOCKETS)
        kept = [rule for one in profile["syscalls"] if (rule := _without(one, ours))["names"]]
        ways = [{**one, "subArchitectures": []} for one in profile.get("archMap") or ()]
    except (KeyError, TypeError, AttributeError):
        raise ValueError("it is no profile of system calls") from None
    own = [rule for one in refused for rule in _rules(one)]
    changed: Rule = {**profile}
    if not network:
        # Named one by one, since a comparison takes more of an argument than the kernel does. By its call of 32 bit
        # programs any socket could be had: libseccomp lets it through where it lets `socket` (arch-x86.c).
        own += [_rule("socket", "SCMP_CMP_EQ", one) for one in FAMILIES if one != AF_VSOCK]
        changed["archMap"] = ways
    changed["syscalls"] = [*kept, *(rule for rule in own if not allows or rule["action"] != ALLOW)]
    return changed


def write_profile(profile: Profile, path: Path, *, network: bool) -> Path:
    """Raises OSError, ValueError."""
    path.write_text(json.dumps(hardened(profile, network=network)), encoding="utf-8")
    return path


def _without(rule: Mapping[str, Any], calls: frozenset[str]) -> Rule:
    names = rule["names"] if "names" in rule else [rule["name"]]
    return {**rule, "names": [name for name in names if name not in calls]}


def _rules(refused: RefusedCall) -> Iterator[Rule]:
    error = {"action": "SCMP_ACT_ERRNO", "errnoRet": refused.error}
    if refused.bits:
        yield {**_rule(refused.call, "SCMP_CMP_MASKED_EQ", refused.bits, refused.bits), **error}
        yield _rule(refused.call, "SCMP_CMP_MASKED_EQ", refused.bits, 0)
    else:
        yield {"names": [refused.call], **error}


def _rule(call: str, op: str, value: int, second: int = 0) -> Rule:
    """Allowed by its first argument."""
    return {
        "names": [call],
        "action": ALLOW,
        "args": [{"index": 0, "value": value, "valueTwo": second, "op": op}],
    }
