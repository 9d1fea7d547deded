"""A process that lives no longer than the one that started it.

Standard input is a pipe whose other end only the parent holds: when the parent ends, however it ends, the pipe
closes. No signal of the parent is needed, so this also works when it was killed.
"""

import os
import signal
import sys
import threading


def die_with_parent() -> None:
    """Kills this process and its children as soon as standard input is closed.

    The children are reached through the process group, so the parent has to start this process as a group leader.
    """
    threading.Thread(target=_wait_for_the_end, daemon=True).start()


def _wait_for_the_end() -> None:
    while sys.stdin.buffer.read1():
        pass
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def ready(port: int) -> None:
    """Tells the parent on which port of 127.0.0.1 this server listens, then sends all later output to the log."""
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
