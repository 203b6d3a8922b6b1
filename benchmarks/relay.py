"""The far side of the delivery benchmark: Postfix's `smtp-sink`, which takes every mail and keeps none.

`smtp-source` of the same package is the machine's limit: the same traffic, made by C without a ledger.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

_PLACES = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin:/usr/libexec/postfix"
#: Of connections that wait to be taken.
_BACKLOG = 1000


class MissingProgram(Exception):
    """A program that the benchmark needs is not installed."""


def find(program: str) -> str:
    """Return the path of a program of Postfix.

    Raises:
        MissingProgram: With the command that installs it.
    """
    if path := shutil.which(program, path=_PLACES):
        return path
    raise MissingProgram(
        f"There is no {program}, which comes with Postfix. On Debian or Ubuntu: "
        "apt install postfix (choose “No configuration”; its daemon need not run and may be stopped)."
    )


def free_port() -> int:
    """Return a port of 127.0.0.1 on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def sink() -> Iterator[str]:
    """Start a relay that takes everything, give its `host:port`, and stop it afterwards."""
    address = f"127.0.0.1:{free_port()}"
    # Started by root it wants to know whom to become.
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    process = subprocess.Popen([find("smtp-sink"), *user, address, str(_BACKLOG)])
    try:
        wait_for(address)
        yield address
    finally:
        process.terminate()
        process.wait(10)


def wait_for(address: str) -> None:
    """Return as soon as something listens at `host:port`."""
    host, port = address.split(":")
    for _ in range(200):
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(f"nothing listens at {address}")


def source_per_second(address: str, *, mails: int, size: int) -> float:
    """Return how many mails a second `smtp-source` brings to a relay over 16 connections that stay open."""
    command = [find("smtp-source"), "-d", "-s", "16", "-l", str(size), "-m", str(mails), address]
    began = time.perf_counter()
    subprocess.run(command, check=True)
    return mails / (time.perf_counter() - began)
