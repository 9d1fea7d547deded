"""Ends this process when its parent ends.

Standard input is a pipe, and only the parent has its other end. The pipe is closed when the parent ends in any way,
even if it is killed.
"""

import os
import signal
import sys
import threading


def die_with_parent() -> None:
    """Kills this process and its children as soon as standard input is closed.

    The children are killed through the process group, so the parent must start this process as a group leader.
    """
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    while sys.stdin.buffer.read1():
        pass
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def ready(port: int) -> None:
    """Prints the port of 127.0.0.1 for the parent, then sends all further output to the log."""
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
