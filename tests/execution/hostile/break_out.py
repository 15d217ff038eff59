"""Uses what the kernel offers to get more rights: namespaces, mounts, a new root, set-uid."""

import ctypes
import os

from bounds import attempt

libc = ctypes.CDLL(None, use_errno=True)


def call(name: str, *arguments) -> None:
    if getattr(libc, name)(*arguments) == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def new_namespace() -> None:
    pid = os.fork()
    if not pid:
        try:
            call("unshare", 0x10000000 | 0x00020000)
            call("mount", b"tmpfs", b"/usr", b"tmpfs", 0, None)
        except OSError:
            os._exit(1)
        os._exit(0)
    if os.waitpid(pid, 0)[1]:
        raise PermissionError("refused")


attempt("mount in a namespace of its own", new_namespace)
attempt("mount", lambda: call("mount", b"tmpfs", b"/tmp", b"tmpfs", 0, None))
attempt("make the system writable", lambda: call("mount", b"none", b"/usr", None, 32 | 4096, None))
attempt("unmount", lambda: call("umount2", b"/usr", 2))
attempt("change the root", lambda: os.chroot("/tmp"))
attempt("become root", lambda: os.setuid(0))
attempt("make a device", lambda: os.mknod("disk", 0o60600, os.makedev(254, 0)))
attempt("change the host's name", lambda: call("sethostname", b"hostile", 7))
attempt("load a module", lambda: call("syscall", 313, -1, b"", 0))
attempt("give a file to root", lambda: os.chown(__file__, 0, 0))
print("capabilities:", [line for line in open("/proc/self/status") if line.startswith(("CapEff", "CapPrm", "CapBnd", "NoNewPrivs"))])
