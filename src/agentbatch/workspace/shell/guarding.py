"""The guard of a run's processes where no sandbox ends them, a process of its own: it starts them for the engine, and
ends each with all that descends from it.

Nobody gets away by emptying its environment, forking twice or leaving its session. Whoever loses its parent is handed
to the nearest ancestor that is a subreaper (prctl(2)): each process that is started here is one, and the guard is the
one above. So what descends from a process that runs is found below it, and a child of the guard that it has not started
is what somebody has left who is over: it is killed. When the engine ends, however it does, all are.

Linux only. It imports the standard library alone, as little of it as there is use for, since each run without a sandbox
starts one: `socket`, `signal` and `contextlib` take as long as the interpreter. It is run by its path:

    python -I -S guarding.py MARK       its input is the engine's socket, see `guard.py` for what is said over it
"""

import _signal as signal  # type: ignore[import-not-found]
import _socket as socket
import marshal
import os
import select
import sys
import time

PR_SET_CHILD_SUBREAPER = 36
HEADER = 8
"""Bytes of a request's length; the handles come with them."""
HANDLE = 4
"""Bytes of one's number."""
HANDLES = 4
"""Of the process's own socket, its input, its output and its errors."""
PAUSE = 20
"""Milliseconds between looks while somebody who was killed is not gone yet."""
PATIENCE = 10.0
"""Seconds for all to go once the engine has."""
DISMISSED = bytes(HEADER)
STARTED, FAILED, EXITED = b"s", b"f", b"x"


class GuardedChild:
    """A process, and the socket over which the engine hears of it; its end there asks for the process's end."""

    def __init__(self, pid: int, line: socket.socket) -> None:
        self.pid = pid
        self.line = line
        self.exited = False
        """It is over, but keeps its number until the engine has asked for its end."""
        self.unwanted = False


class Guarding:
    def __init__(self, engine: socket.socket) -> None:
        import ctypes

        self.dismissed = False
        """The engine has said that it is over."""
        self._engine = engine
        self._started: dict[int, GuardedChild] = {}
        self._woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._libc = ctypes.CDLL(None)
        self._libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self._poll = select.poll()
        for handle in (engine.fileno(), self._woken):
            self._poll.register(handle, select.POLLIN)

    def serve(self) -> None:
        """Until the engine is gone."""
        while True:
            lines = {one.line.fileno(): one for one in self._started.values()}
            left = self._end_left_behind()
            for handle, _ in self._poll.poll(PAUSE if left else None):
                if handle == self._engine.fileno():
                    if not self._serve_one():
                        return
                elif handle == self._woken:
                    os.read(self._woken, 4096)
                elif handle in lines:
                    self._unwanted(lines[handle])
            self._look()

    def end_all(self) -> None:
        for one in self._started.values():
            _kill(one.pid)
        deadline = time.monotonic() + PATIENCE
        while children(os.getpid()) and time.monotonic() < deadline:
            for pid in children(os.getpid()):
                _kill(pid)
                _reap(pid)
            time.sleep(PAUSE / 1000)

    def _serve_one(self) -> bool:
        """One request; False: the engine is gone."""
        space = socket.CMSG_SPACE(HANDLES * HANDLE)
        data, given, *_ = self._engine.recvmsg(HEADER, space, socket.MSG_CMSG_CLOEXEC)
        handles = [
            int.from_bytes(part[place : place + HANDLE], sys.byteorder)
            for _, _, part in given
            for place in range(0, len(part), HANDLE)
        ]
        self.dismissed = data == DISMISSED
        if len(data) < HEADER or len(handles) != HANDLES:
            return False
        rest, size = b"", int.from_bytes(data, "big")
        while len(rest) < size:
            part = self._engine.recv(size - len(rest))
            if not part:
                return False
            rest += part
        line = socket.socket(fileno=handles[0])
        argv, cwd, env = marshal.loads(rest)
        try:
            pid = self._start(argv, cwd, env, handles[1:])
        except OSError as error:
            _tell(line, FAILED + marshal.dumps((error.errno, error.filename)))
            line.close()
        else:
            one = self._started[pid] = GuardedChild(pid, line)
            self._poll.register(line.fileno(), select.POLLIN)
            _tell(line, STARTED + marshal.dumps(pid))
            one.line.setblocking(False)
        finally:
            for handle in handles[1:]:
                os.close(handle)
        return True

    def _unwanted(self, one: GuardedChild) -> None:
        """The engine waits for its end, or has forgotten it."""
        self._poll.unregister(one.line.fileno())
        one.unwanted = True
        _kill(one.pid)

    def _look(self) -> None:
        """Who has ended, and whom nobody waits for any more."""
        for one in list(self._started.values()):
            if not one.exited:
                ended = os.waitid(os.P_PID, one.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
                if ended is not None:
                    one.exited = True
                    _kill(one.pid)  # its group; what has left that is left behind by now
                    code = ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
                    _tell(one.line, EXITED + marshal.dumps(code))
            if one.exited and one.unwanted and not self._end_left_behind():
                del self._started[one.pid]
                os.waitpid(one.pid, 0)
                one.line.close()

    def _end_left_behind(self) -> bool:
        """Kill what those who are over have left; True: some of it is not gone yet."""
        left = False
        for pid in children(os.getpid()):
            if pid not in self._started:
                _kill(pid)
                left = not _reap(pid) or left
        return left

    def _start(self, argv: list[bytes], cwd: bytes, env: dict[bytes, bytes], handles: list[int]) -> int:
        """Its number. Raises OSError as subprocess.Popen does."""
        told, tell = os.pipe2(os.O_CLOEXEC)
        pid = os.fork()
        if pid == 0:
            self._become(argv, cwd, env, handles, tell)
        os.close(tell)
        with open(told, "rb") as file:
            problem = file.read()
        if problem:
            os.waitpid(pid, 0)
            number, place = marshal.loads(problem)
            raise OSError(number, os.strerror(number), place)
        return pid

    def _become(
        self, argv: list[bytes], cwd: bytes, env: dict[bytes, bytes], handles: list[int], tell: int
    ) -> None:
        place = cwd
        try:
            os.setsid()
            self._libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            for target, handle in enumerate(handles):
                os.dup2(handle, target)
            os.chdir(cwd)
            place = argv[0]
            os.execvpe(argv[0], argv, env)
        except OSError as error:
            os.write(tell, marshal.dumps((error.errno, place)))
        finally:
            os._exit(127)


def children(parent: int) -> list[int]:
    try:
        with open(f"/proc/{parent}/task/{parent}/children", "rb") as file:
            return [int(pid) for pid in file.read().split()]
    except OSError:  # a kernel that does not tell
        return [int(name) for name in os.listdir("/proc") if name.isdigit() and _parent(name) == parent]


def _parent(pid: str) -> int:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[1])
    except OSError:
        return 0


def _kill(pid: int) -> None:
    """It, and its group where it leads one."""
    for way in (os.killpg, os.kill):
        try:  # noqa: SIM105 - contextlib takes its time
            way(pid, signal.SIGKILL)
        except OSError:
            pass  # it is gone, or somebody else's by now


def _reap(pid: int) -> bool:
    """Whether it is gone."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


def _tell(line: socket.socket, what: bytes) -> None:
    try:  # noqa: SIM105 - contextlib takes its time
        line.send(what)
    except OSError:
        pass  # the engine does not want to hear of it


if __name__ == "__main__":
    guarding = Guarding(socket.socket(fileno=0))
    try:
        guarding.serve()
    except OSError:
        pass  # the engine was killed in the middle of a request
    finally:
        guarding.end_all()
    if not guarding.dismissed:  # what others have started for the run
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        marks = os.path.join(os.path.dirname(__file__), "marks.py")
        os.execv(sys.executable, [sys.executable, "-I", "-S", marks, sys.argv[1]])
