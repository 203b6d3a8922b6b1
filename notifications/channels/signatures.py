"""Signatures in addresses that come back to us: they prove that we handed them out."""

from __future__ import annotations

import hmac
from hashlib import sha256

#: Purpose of the signature in return addresses of mails.
BOUNCE = "bounce"
#: In the addresses by which subscribers leave.
UNSUBSCRIBE = "unsubscribe"


def signature(key: str, purpose: str, delivery_id: int) -> str:
    """Return 20 hexadecimal digits that nobody without the key can make.

    Hexadecimal, since mail servers may change the case of what returns in an address.

    Args:
        key: The installation's secret key.
        purpose: Where it is used (`twilio`, `bounce`), so that one address does not open another.
        delivery_id: What is signed.
    """
    return hmac.new(key.encode(), f"{purpose}:{delivery_id}".encode(), sha256).hexdigest()[:20]


def is_signed(given: str, key: str, purpose: str, delivery_id: int) -> bool:
    """Return whether `given` is the signature, in a time that does not tell how much of it fits."""
    expected = signature(key, purpose, delivery_id)
    return hmac.compare_digest(given.lower().encode("utf-8", "replace"), expected.encode())
