"""What the process is called (proc(5), comm): how `bearer-gateway drain` finds a gateway, and sees how far it is.

It needs no file, port or configuration for that. Imports next to nothing, since that command must not.
"""

#: a program that serves, one that drains, and one whose load balancers have had time to learn of that; 15 bytes at most
SERVES = "bearer-gateway"
DRAINS = "gateway-drains"
DRAINED = "gateway-drained"
#: one process of several, which nobody but its supervisor tells anything
WORKER = "gateway-worker"
#: of a program, in the order in which it has them
TITLES = (SERVES, DRAINS, DRAINED)

#: prctl(2)
_PR_SET_NAME = 15


def call_process(title: str) -> None:
    """From now on the process is called that. To be called by its main thread; nothing depends on it but `drain`."""
    import contextlib  # noqa: PLC0415 -- see above
    import ctypes  # noqa: PLC0415 -- see above

    # Another C library than Linux's has no such function.
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_PR_SET_NAME, title.encode("ascii"))
