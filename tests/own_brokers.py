"""Brokers of a test's own, which it may stop and start: what they held is gone, or not, as with a real one."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from abc import abstractmethod
from pathlib import Path
from typing import Self

import pytest
from kombu import Connection

from tests.site import until

_RABBITMQ = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


class OwnBroker:
    """A server on a free port; `die` is a power cut, `start` the return of power."""

    name = ""
    url = ""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="janela-broker-")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.die()
        self._folder.cleanup()

    def start(self) -> None:
        """Start it, and return when it answers."""
        self._process = self._begin()
        until(self._answers, f"an answer of {self.name}")

    def die(self) -> None:
        """Kill it with all its children."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(20)

    def _run(self, *command: str, **environ: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            env=os.environ | environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _answers(self) -> bool:
        try:
            with Connection(self.url, connect_timeout=2, transport_options={"max_retries": 0}) as connection:
                connection.connect()
                connection.default_channel  # noqa: B018 - Redis connects only here
        except Exception:
            return False
        return True

    @abstractmethod
    def _begin(self) -> subprocess.Popen[bytes]:
        """Start the process."""


class OwnRedis(OwnBroker):
    """A Redis that keeps nothing."""

    name = "Redis"

    def __init__(self) -> None:
        super().__init__()
        self._server = shutil.which("redis-server")
        if self._server is None:
            pytest.skip("no redis-server on this machine (Debian: apt install redis-server)")
        self._port = str(free_port())
        self.url = f"redis://127.0.0.1:{self._port}/0"

    def _begin(self) -> subprocess.Popen[bytes]:
        assert self._server
        keeps_nothing = ("--save", "", "--appendonly", "no")
        return self._run(
            self._server,
            *("--port", self._port, "--bind", "127.0.0.1", "--dir", self._folder.name),
            *keeps_nothing,
        )


class OwnRabbitMq(OwnBroker):
    """A RabbitMQ with a node name, ports and a folder of its own; quorum queues outlive its death."""

    name = "RabbitMQ"

    def __init__(self) -> None:
        super().__init__()
        if not _RABBITMQ.exists():
            pytest.skip(f"no {_RABBITMQ} on this machine (Debian: apt install rabbitmq-server)")
        self._ports = str(free_port()), str(free_port())
        self.url = f"amqp://guest:guest@127.0.0.1:{self._ports[0]}//"

    def _begin(self) -> subprocess.Popen[bytes]:
        folder = self._folder.name
        plugins = Path(folder, "plugins")
        plugins.write_text("[].")
        return self._run(
            str(_RABBITMQ),
            HOME=folder,
            RABBITMQ_NODENAME=f"janela-test-{self._ports[0]}@localhost",
            RABBITMQ_NODE_IP_ADDRESS="127.0.0.1",
            RABBITMQ_NODE_PORT=self._ports[0],
            RABBITMQ_DIST_PORT=self._ports[1],
            RABBITMQ_MNESIA_BASE=f"{folder}/mnesia",
            RABBITMQ_LOG_BASE=f"{folder}/log",
            RABBITMQ_PID_FILE=f"{folder}/pid",
            RABBITMQ_ENABLED_PLUGINS_FILE=str(plugins),
            RABBITMQ_CONF_ENV_FILE=os.devnull,
            RABBITMQ_CONFIG_FILE=f"{folder}/none",
            RABBITMQ_ADVANCED_CONFIG_FILE=f"{folder}/none",
        )
