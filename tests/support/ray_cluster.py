"""A Ray of two machines on this one, in a network of its own that holds nothing but loopback: a process that starts it,
kills machines and adds others, by lines on its input. Outside of such a network Ray listens on every interface."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from threading import Lock
from types import MappingProxyType
from typing import Any

from tests.support.waiting import PATIENCE

MACHINES = ("127.0.0.2", "127.0.0.3")

BATCH_PATIENCE = 400.0
"""Seconds for a command; machines that are lost take most of them."""

NOTHING: Mapping[str, str] = MappingProxyType({})

LOOPBACK = 'ip link set lo up && exec "$@"'


def missing() -> str:
    """Why there can be none here; empty: there can."""
    if find_spec("ray") is None:
        return "needs Ray: pip install 'agentbatch[cluster]'"
    if shutil.which("unshare") is None or shutil.which("nsenter") is None or shutil.which("ip") is None:
        return "needs a network of its own: apt install util-linux iproute2"
    if subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False).returncode != 0:
        return "needs a network of its own: `unshare -n` is not permitted to this user; root may"
    return ""


class RayCluster:
    """A head on which nothing else runs, 127.0.0.1, and two machines, 127.0.0.2 and 127.0.0.3, each with a folder of
    its own for temporary files; `close` ends all."""

    def __init__(
        self, place: Path, environ: Mapping[str, str], cpus: int = 1, *, settings: Mapping[str, str] = NOTHING
    ) -> None:
        """`place`: a folder for Ray's own files, with a short path, since sockets are in there. `environ`: of whoever
        starts the machines."""
        self.folder = place / "node"
        """Where the machines' temporary files lie, those of tasks too."""
        (self.folder / "ray").mkdir(parents=True)
        self.environ = {
            **{name: environ[name] for name in ("PATH", "HOME", "LANG") if name in environ},
            "RAY_USAGE_STATS_ENABLED": "0",
            "TMPDIR": str(self.folder),
            "RAY_AUTH_MODE": "disabled",
            "RAY_worker_niceness": "0",  # else a loaded machine hardly lets them do anything
            "RAY_worker_register_timeout_seconds": f"{PATIENCE:.0f}",
            **settings,
        }
        self._errors, self._telling = place / "errors", Lock()
        argv = [sys.executable, "-m", __name__, str(place), str(cpus), str(self.folder)]
        with open(self._errors, "w", encoding="utf-8") as errors:
            self._process = subprocess.Popen(
                ["unshare", "-n", "sh", "-c", LOOPBACK, "sh", *argv],
                env=self.environ,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            )
        self.address: str = self._answer()["address"]

    def argv(self, *argv: str) -> list[str]:
        """A command line in that network."""
        return ["nsenter", f"--net=/proc/{self._process.pid}/ns/net", *argv]

    def tell(self, *words: str) -> Any:
        assert self._process.stdin is not None
        with self._telling:
            self._process.stdin.write(" ".join(words) + "\n")
            self._process.stdin.flush()
            return self._answer()

    def kill_machine(self, address: str) -> None:
        """At once: it says nothing to anybody."""
        self.tell("kill", address)

    def remove_machine(self, address: str) -> None:
        """It says that it goes, and is gone then."""
        self.tell("remove", address)

    def add_machine(self, address: str, cpus: int | None = None) -> None:
        self.tell("add", address, *([] if cpus is None else [str(cpus)]))

    def left(self) -> list[str]:
        """What is there of us on the machines: files, and processes of tasks' hands."""
        return [str(path) for path in self.folder.glob(f"*/agentbatch-{os.getuid()}/**/*")] + self.hands()

    def hands(self, machine: str = "") -> list[str]:
        """Processes of tasks' hands; empty: on any machine."""
        found, folder = [], os.fsencode(self.folder / machine)
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                words = (process / "cmdline").read_bytes()
                if b"ray::Hands" in words and folder in (process / "environ").read_bytes():
                    found.append(f"{process.name} {words!r}")
        return found

    def wipe(self) -> None:
        """The machines have empty disks: one that was killed and is there again has what it had."""
        for path in self.folder.glob(f"*/agentbatch-{os.getuid()}"):
            shutil.rmtree(path)

    def freeze(self, address: str) -> None:
        """Ray on that machine is not heard of any more; what it has begun goes on."""
        self.tell("signal", address, str(signal.SIGSTOP.value))

    def thaw(self, address: str) -> None:
        self.tell("signal", address, str(signal.SIGCONT.value))

    def kill_head(self) -> None:
        self.tell("kill_head")

    def begin_again(self) -> None:
        """After `kill_head`: a head at the same address, and machines that know nothing."""
        self.tell("begin_again")

    def close(self) -> None:
        with suppress(BrokenPipeError):
            self._process.communicate("", timeout=PATIENCE)

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        code = self._process.wait()
        raise AssertionError(f"the cluster ended: {code}\n{self._errors.read_text()[-5000:]}")


def environment(cluster: RayCluster, environ: Mapping[str, str]) -> dict[str, str]:
    """Of a command that uses the cluster."""
    return {**environ, **{name: value for name, value in cluster.environ.items() if name.startswith("RAY_")}}


def main(place: str, cpus: str, folder: str) -> None:
    from ray import _raylet
    from ray._private import services
    from ray.cluster_utils import Cluster

    services.get_node = partial(get_node, services.get_node)
    services.start_raylet = partial(start_raylet, services.start_raylet, _raylet)
    ports = count(20_000)
    os.makedirs(place, exist_ok=True)
    given = {"include_dashboard": False, "temp_dir": place, "num_cpus": 0, "node_ip_address": "127.0.0.1"}
    cluster = Cluster(initialize_head=True, head_node_args={**given, "runtime_env_agent_port": next(ports)})
    port, machines = int(cluster.address.rpartition(":")[2]), dict[str, Any]()

    def add(address: str, cpus: str = cpus) -> None:
        os.environ["TMPDIR"] = f"{folder}/{address}"
        os.makedirs(f"{folder}/{address}/ray", exist_ok=True)  # Ray notes there which cluster is the latest
        machines[address] = cluster.add_node(
            num_cpus=int(cpus), node_ip_address=address, runtime_env_agent_port=next(ports)
        )

    for address in MACHINES:
        add(address)
    say(address=cluster.address)
    for line in sys.stdin:
        match line.split():
            case ["kill", address]:
                cluster.remove_node(machines.pop(address), allow_graceful=False)
            case ["remove", address]:
                cluster.remove_node(machines.pop(address), allow_graceful=True)
            case ["add", *words]:
                add(*words)
            case ["signal", address, number]:
                os.kill(machines[address].all_processes["raylet"][0].process.pid, int(number))
            case ["begin_again"]:
                cluster.shutdown()
                again = {**given, "gcs_server_port": port, "runtime_env_agent_port": next(ports)}
                cluster = Cluster(initialize_head=True, head_node_args=again)
                for address in MACHINES:
                    add(address)
            case ["kill_head"]:
                cluster.head_node.kill_gcs_server(check_alive=False)
        say(machines=sorted(machines))
    cluster.shutdown()


def get_node(get: Callable[[str, str], Any], *node: str) -> Any:
    """Ray gives a machine that begins half a minute, by which a loaded one is not there yet."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return get(*node)
        except RuntimeError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def start_raylet(start: Callable[..., Any], ray: Any, *given: Any, **named: Any) -> Any:
    """What begins beside a machine has 15 seconds to say at which ports it listens, then Ray (2.60) ends the machine:
    they are said before."""
    node, session = given[2], given[11]
    for name in (
        ray.METRICS_AGENT_PORT_NAME,
        ray.METRICS_EXPORT_PORT_NAME,
        ray.DASHBOARD_AGENT_LISTEN_PORT_NAME,
    ):
        ray.persist_port(session, node, name, -1)  # as by one that does not listen
    ray.persist_port(session, node, ray.RUNTIME_ENV_AGENT_PORT_NAME, named["runtime_env_agent_port"])
    return start(*given, **named)


def say(**words: Any) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


def run(argv: Sequence[str], **given: Any) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(argv, capture_output=True, text=True, timeout=BATCH_PATIENCE, check=False, **given)


if __name__ == "__main__":
    main(*sys.argv[1:4])
