"""Whether a cluster has machines for a task at all. Pure."""

import json
from collections.abc import Mapping, Sequence

from agentbatch.cluster.exchange.terms import Lease

GRAPHICS = ("gpu", "GPU")
"""What Ray has a name of its own for."""


def asked_of_ray(lease: Lease) -> dict[str, float]:
    """By the names that Ray has for what a machine has."""
    others = dict(lease.resources)
    graphics = sum(others.pop(name, 0) for name in GRAPHICS)
    asked = {"CPU": lease.cpus, "memory": float(lease.memory), "GPU": graphics, **others}
    return {name: amount for name, amount in asked.items() if amount}


def unfit(lease: Lease, machines: Sequence[Mapping[str, float]]) -> str:
    """Why the task fits on none of them, also when nobody else is there, without a full stop; empty: it does.
    `machines`: what each has, by Ray's names."""
    asked = asked_of_ray(lease)
    if any(all(machine.get(name, 0) >= amount for name, amount in asked.items()) for machine in machines):
        return ""
    most = {name: max((machine.get(name, 0) for machine in machines), default=0) for name in asked}
    scarce = [name for name, amount in asked.items() if most[name] < amount] or list(asked)
    what = ", ".join(
        f"{_named(name)} {_amount(name, asked[name])} (at most {_amount(name, most[name])})"
        for name in scarce
    )
    together = "" if any(most[name] < asked[name] for name in scarce) else " together"
    return f"No machine of the cluster has {what}{together}"


def in_short(lease: Lease) -> str:
    """What a task waits for that no machine has, in a few words."""
    asked = asked_of_ray(lease)
    what = ", ".join(f"{_named(name)} {_amount(name, amount)}" for name, amount in asked.items())
    return f"waiting for a node with {what}"


def can_grow(status: bytes | None) -> bool | None:
    """Whether an autoscaler can add machines, by what Ray's monitor (2.60; v1) has written last; None: not known yet.
    Where nobody has configured one, it calls each machine a type of its own: node_ and its id."""
    try:
        report = json.loads(status or b"{}").get("autoscaler_report")
        types = {*report["node_type_mapping"].values(), *report["pending_launches"]} if report else set()
    except (ValueError, AttributeError, KeyError, TypeError):
        return None
    if any(not str(one).startswith("node_") for one in types):
        return True
    return False if types else None


def _named(name: str) -> str:
    return {"CPU": "cpus", "GPU": "gpu"}.get(name, name)


def _amount(name: str, amount: float) -> str:
    return f"{amount / 2**30:.1f} GB" if name == "memory" else f"{amount:g}"
