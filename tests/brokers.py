"""The brokers that tests use: those of the machine, with queues that no other test has."""

from __future__ import annotations

import contextlib
import os
import socket
import uuid
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from kombu import Connection
from kombu.exceptions import OperationalError

RABBITMQ = os.environ.get("JANELA_TEST_BROKER_URL", "amqp://guest:guest@127.0.0.1:5672//")
REDIS = os.environ.get("JANELA_TEST_REDIS_URL", "redis://127.0.0.1:6379/15")
_CHANNELS = ("email", "sms", "webhook", "chat")


def answering(url: str, name: str) -> str:
    """Return the address of a broker; skip where none answers, but never in CI."""
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname or "", parts.port or 0), timeout=2).close()
    except OSError as error:
        reason = f"no {name} answers at {parts.hostname}:{parts.port} ({error})"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return url


@contextlib.contextmanager
def own_queues() -> Iterator[str]:
    """Give a beginning of queue names that no other test has; the queues are deleted afterwards."""
    prefix = f"janela-test-{uuid.uuid4().hex[:12]}"
    yield prefix
    for url in (RABBITMQ, REDIS):
        with (
            contextlib.suppress(OperationalError),
            Connection(url, connect_timeout=2, transport_options={"max_retries": 0}) as connection,
        ):
            channel = connection.default_channel
            for name in _CHANNELS:
                channel.queue_delete(f"{prefix}.{name}")
            channel.exchange_delete(prefix)
            if connection.transport.driver_type == "redis":
                for key in channel.client.scan_iter(f"*{prefix}*"):
                    channel.client.delete(key)
