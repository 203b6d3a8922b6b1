"""How messages leave: one file for each transport, and which of them this installation uses."""

from __future__ import annotations

from collections.abc import Mapping

from maintenance.runtime import Runtime
from notifications.channels.parcels import Outcome, Parcel, Transport

__all__ = ["Outcome", "Parcel", "Transport", "transports"]


def transports(runtime: Runtime) -> Mapping[str, Transport]:
    """Return the transport of each channel as the settings say; the outbox where they name none."""
    raise NotImplementedError
