"""What is tried to get out of a sandbox: keys read by another way, places reached that are not the task's, the machine
changed."""

from tests.support.red_team import Attempt

READING = [
    Attempt("env-file", "cat $PROJECT/.env"),
    Attempt("named-env-file", "cat $PROJECT/conf/keys.env"),
    Attempt("ssh-key", "cat $HOME/.ssh/id"),
    Attempt("netrc", "cat $HOME/.netrc"),
    Attempt("gh-token", "cat $HOME/.config/gh/hosts.yml"),
    Attempt("other-task", "cat $PROJECT/tasks/b/answer.txt ../b/answer.txt"),
    Attempt("run-database", "cat $PROJECT/.agentbatch/runs/r1/run.db"),
    Attempt("link-to-a-key", "ln -s $PROJECT/.env link && cat link"),
    Attempt("hard-link-to-a-key", "ln $PROJECT/.env hard && cat hard"),
    Attempt("through-proc-root", "cat /proc/1/root$PROJECT/.env /proc/self/root$PROJECT/.env"),
    Attempt("through-proc-cwd", "cat /proc/*/cwd/.env /proc/*/cwd/../../.env"),
    Attempt("through-open-files", "for f in /proc/[0-9]*/fd/[3-9]*; do timeout 0.2 cat $f; done"),
    Attempt("environment-of-others", "cat /proc/[0-9]*/environ | tr '\\0' '\\n'"),
    Attempt("everything", "grep -rh sk-red-team $HOUSE $HOME /run /root /home 2>/dev/null"),
    Attempt("by-a-mount-of-its-own", "unshare -Urm sh -c \"umount $PROJECT/.env; cat $PROJECT/.env\""),
    Attempt("unmounted", "umount -l $HOME $HOUSE /tmp; cat $PROJECT/.env $HOME/.ssh/id"),
    Attempt("chroot", "chroot /proc/1/root cat $PROJECT/.env"),
    Attempt("renamed-parent", "mv $PROJECT/conf $PROJECT/conf2; cat $PROJECT/conf2/keys.env"),
]  # fmt: skip

FROM_ABOVE = [
    Attempt("a-key-that-a-variable-names", "cat conf/cluster.yml"),
    Attempt("rename-the-folder", "mv conf conf2; cat conf2/keys.env"),
    Attempt("rename-it-further", "mkdir x; mv conf x/y; cat x/y/keys.env"),
    Attempt("swap-it", "mkdir c3; mv -T c3 conf; mv --backup -T c3 conf; cat conf~/keys.env"),
    Attempt("rename-by-a-program", "perl -e 'rename \"conf\", \"conf5\"'; cat conf5/keys.env"),
    Attempt("rename-the-file", "mv .env env.txt; cat env.txt; mv conf/keys.env k; cat k"),
    Attempt("remove-the-cover", "rm -f .env conf/keys.env; umount .env; cat .env conf/keys.env"),
    Attempt("rename-the-run", "mv .agentbatch runs2; cat runs2/runs/r1/run.db"),
    Attempt("rename-the-settings", "mv ~/.config ~/config2; cat ~/config2/gh/hosts.yml"),
    Attempt("rename-the-key-folder", "mv ~/.ssh ~/ssh2; cat ~/ssh2/id"),
    Attempt("rename-the-project", "mv ~/project ~/project2; cat ~/project2/.env ~/project2/conf/keys.env"),
    Attempt("link-over", "ln -sfn conf/deeper conf; cat conf/../keys.env"),
    Attempt("copy-the-folder", "cp -a conf conf6; cat conf6/keys.env"),
    Attempt("tar", "tar cf all.tar conf .env .agentbatch; grep -a sk-red-team all.tar"),
    Attempt("hard-link", "ln conf/keys.env hard; cat hard"),
    Attempt("in-a-user-namespace", "unshare -Urm sh -c 'umount -l conf/keys.env .env; rm -f .env conf/keys.env; "
            "mv conf conf7; cat conf7/keys.env; rm -rf conf7'; ls .env conf/keys.env"),
    Attempt("after-a-rename-of-a-parent-of-its-own", "mkdir -p n/m; mv conf n/m/; cat n/m/conf/keys.env"),
]  # fmt: skip
"""The task's directory holds what is hidden from it."""

_OPENED = """
/proc/sys/kernel/hostname /proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe /proc/sys/kernel/hotplug
/proc/sys/vm/overcommit_memory /proc/sys/net/ipv4/ip_forward /proc/sys/fs/suid_dumpable /proc/sysrq-trigger
/proc/sys/kernel/yama/ptrace_scope /proc/sys/fs/binfmt_misc/register /sys/kernel/uevent_helper
/etc/passwd /etc/ld.so.preload /etc/environment /etc/profile
"""
"""Opened for appending, and nothing appended: where a wall is missing, the machine of the tests stays as it is."""

MACHINE = [
    *(
        Attempt(f"open{place.replace('/', '-')}", f"test -e {place} && : >> {place} && echo wrote")
        for place in _OPENED.split()
    ),
    Attempt("cgroup-agent", "for f in /sys/fs/cgroup/*/release_agent; do : >> $f && echo wrote; done"),
    Attempt("password-hashes", "grep -q : /etc/shadow /etc/gshadow /etc/shadow- && echo wrote"),
    Attempt(
        "cron", "touch /etc/cron.d/agentbatch-red-team && echo wrote && rm /etc/cron.d/agentbatch-red-team"
    ),
    Attempt("a-program", "touch /usr/local/bin/red-team && echo wrote && rm /usr/local/bin/red-team"),
    Attempt("a-disk", "mknod disk b 8 0 && echo wrote; mknod mem c 1 1 && echo wrote"),
    Attempt(
        "remount", "mount -o remount,rw,bind /etc && echo wrote; mount -o remount,rw /proc/sys && echo wrote"
    ),
    Attempt("new-root", "unshare -Urm mount -o remount,rw,bind / && echo wrote"),
    Attempt("kernel-keys", "grep -q keyring /proc/keys && echo wrote"),
]


SYSCALL = (
    'python3 -c \'import ctypes; c = ctypes.CDLL(None); print("wrote" if c.syscall({}) >= 0 else "no")\''
)

CONTAINER = [
    Attempt("engine-sockets", "ls /run/podman/*.sock /run/docker.sock /var/run/docker.sock && echo wrote"),
    Attempt("end-the-holder", "kill -9 1 && echo wrote"),
    Attempt("stop-the-holder", "kill -STOP 1 && echo wrote; kill -TERM 1 && echo wrote"),
    Attempt("environment-of-the-holder", "cat /proc/1/environ && echo wrote"),
    Attempt("input-of-the-holder", "timeout 1 cat < /proc/1/fd/0; test $? = 1 || echo wrote"),
    Attempt("output-of-the-holder", ": >> /proc/1/fd/1 && echo wrote"),
    Attempt("memory-of-the-holder", ": >> /proc/1/mem && echo wrote; cat /proc/1/maps && echo wrote"),
    Attempt("root-of-the-holder", "ls /proc/1/root/ && echo wrote; ls /proc/1/cwd/ && echo wrote"),
    Attempt("namespaces-of-the-holder", "nsenter -t 1 -m -p -n true && echo wrote"),
    Attempt("trace-the-holder", SYSCALL.format("101, 16, 1, 0, 0")),
    Attempt("become-the-holder", "python3 -c 'import os; os.setgid(65534); os.setuid(65534)' && echo wrote"),
    Attempt(
        "become-the-holder-by-a-file",
        "cp /bin/busybox su; chown 65534:65534 su; chmod 6755 su; ./su id -u | grep 65534 && echo wrote",
    ),
    Attempt("a-user-namespace", "unshare -Ur sh -c 'mount -o remount,rw /; touch /x /proc/sys/x' && echo wrote"),
    Attempt("another-one", "unshare -Urm sh -c 'umount -l /etc/hosts; mount -o remount,rw /; touch /x' && echo wrote"),
    Attempt("other-namespaces", "for one in m p n u i C; do unshare -$one true && echo wrote; done"),
    Attempt("mounts", "mkdir m; mount -t tmpfs x m && echo wrote; mount --bind / m && echo wrote"),
    Attempt("unmounts", "for one in . /tmp /run /.agentbatch /etc/hosts; do umount -l $one && echo wrote; done"),
    Attempt("remounts", "for one in / /proc /sys /.agentbatch; do mount -o remount,rw $one && echo wrote; done"),
    Attempt("another-root", "chroot / true && echo wrote; pivot_root . . && echo wrote"),
    Attempt("devices", "for one in 'c 1 1' 'c 1 11' 'b 8 0' 'b 254 0' 'c 10 229'; do mknod d $one && echo wrote; done"),
    Attempt("raw-sockets", "python3 -c 'import socket as s; s.socket(s.AF_PACKET, s.SOCK_RAW)' && echo wrote"),
    Attempt("interfaces", "ip link add x type dummy && echo wrote; ifconfig lo down && echo wrote"),
    Attempt("the-clock", "date -s 2000-01-01; test $(date +%Y) = 2000 && echo wrote"),
    Attempt("the-name", "hostname x && echo wrote"),
    Attempt("variables-of-commands", "for one in /.agentbatch/* /.agentbatch/x; do : >> $one && echo wrote; done"),
    Attempt("out-of-memory-killer", "echo -999 > /proc/self/oom_score_adj && echo wrote"),
    Attempt("more-than-the-limits", "ulimit -Hn 99999 && echo wrote; ulimit -Hu 99999 && echo wrote"),
    Attempt("files-by-handle", SYSCALL.format("304, -100, 0, 0")),
    Attempt("programs-in-the-kernel", SYSCALL.format("321, 0, 0, 0")),
    Attempt("modules", SYSCALL.format("175, 0, 0, 0")),
    Attempt("reboot", SYSCALL.format("169, 1, 2, 3, 0")),
    Attempt("control-groups", "for f in $(find /sys/fs/cgroup -name '*.procs'); do echo $$ > $f && echo wrote; done"),
    Attempt("more-memory", "for one in $(find /sys/fs/cgroup -name 'memory.*'); do : >> $one && echo wrote; done"),
    Attempt("kernel-log", "dmesg && echo wrote; cat /dev/kmsg && echo wrote"),
    Attempt("kernel-settings", "for one in /proc/sys/kernel/*; do : >> $one && echo wrote; done"),
]  # fmt: skip
"""Of a container's own."""
