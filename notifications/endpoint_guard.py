"""Which addresses webhooks may reach: the internet, and what the settings name. PURE but for the resolver.

A webhook is a request that somebody else's address makes us send. Without a guard it reaches what only
this machine can: services on loopback, the neighbours in the private network, the metadata of a cloud.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from notifications.errors import InvalidTransport, UnusableAddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
#: Host and port -> every address that the host has.
Resolver = Callable[[str, int], Sequence[str]]

#: As long as the ledger keeps addresses.
LONGEST_URL = 320

# Our own table instead of `is_global`, whose meaning changed within Python 3.11 (CVE-2024-4032).
# Sources: IANA special-purpose registries for IPv4 and IPv6, read 2026-11; RFC 6890.
_CLOSED_V4 = [
    ipaddress.IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
        # Azure's channel to its machines, in a public range.
        "168.63.129.16/32",
    )
]
#: Where clouds tell their machines' own secrets to whoever asks on them: closed even within a network of one's own.
_METADATA = {
    ipaddress.ip_address(text).packed for text in ("169.254.169.254", "fd00:ec2::254", "100.100.100.200")
}
#: All that IPv6 calls global unicast; what is not in it (::1, fc00::/7, fe80::/10, 64:ff9b::/96, …) is closed.
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
_CLOSED_V6 = [
    ipaddress.IPv6Network(text)
    for text in (
        # Protocol assignments, Teredo among them.
        "2001::/23",
        "2001:db8::/32",
        # 6to4 carries an IPv4 address, whichever that is.
        "2002::/16",
        "2620:4f:8000::/48",
        "3fff::/20",
    )
]


@dataclass(frozen=True, slots=True)
class Target:
    """A webhook's address, taken apart."""

    scheme: str
    #: In the letters of DNS.
    host: str
    port: int
    #: What stands in the first line of the request: path and query.
    path: str

    @property
    def host_header(self) -> str:
        """Return what the receiver sees as `Host`."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == _PORTS[self.scheme] else f"{name}:{self.port}"

    @property
    def url(self) -> str:
        """Return the address in one spelling."""
        return f"{self.scheme}://{self.host_header}{self.path}"


_PORTS = {"https": 443, "http": 80}


def read_networks(setting: str) -> tuple[Network, ...]:
    """Return the networks of `JANELA_WEBHOOK_ALLOW`.

    Raises:
        InvalidTransport: When one cannot be read.
    """
    try:
        return tuple(ipaddress.ip_network(text) for text in setting.split())
    except ValueError as error:
        raise InvalidTransport(
            "JANELA_WEBHOOK_ALLOW holds networks such as 10.20.0.0/16, separated by spaces: %(error)s.",
            error=str(error),
        ) from None


def read_target(url: str, allowed: Sequence[Network] = ()) -> Target:
    """Return the parts of a webhook's address; whether it may be reached shows only when it is resolved.

    Args:
        url: As somebody wrote it.
        allowed: Networks of one's own; with any, plain http can be registered too.

    Raises:
        UnusableAddress: When it is no address to which webhooks can go; says why.
    """
    if len(url) > LONGEST_URL:
        raise UnusableAddress("The address is longer than %(most)s characters.", most=LONGEST_URL)
    # urlsplit passes over line ends and tabs, and a request line must hold neither.
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise UnusableAddress("Write the address in plain ASCII letters, without spaces or backslashes.")
    try:
        parts = urlsplit(url)
        port = parts.port
        host = (parts.hostname or "").rstrip(".")
    except ValueError as error:
        raise UnusableAddress("“%(url)s” is no address: %(error)s.", url=url, error=str(error)) from None
    if parts.scheme not in _PORTS or (parts.scheme == "http" and not allowed):
        raise UnusableAddress("The address must begin with https://.")
    if not host or port == 0 or "%" in host:
        raise UnusableAddress("The address names no host that could be reached.")
    if parts.username is not None or parts.password is not None:
        raise UnusableAddress("Leave name and password out of the address; the signature proves who calls.")
    if parts.fragment:
        raise UnusableAddress("Leave out what follows the “#”: it is never sent.")
    _refuse_odd_number(host)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    target = Target(parts.scheme, host, port or _PORTS[parts.scheme], path)
    if literal := _literal(host):
        check([literal], target, allowed)
    return target


def _refuse_odd_number(host: str) -> None:
    """Refuse 2130706433, 0177.0.0.1, 0x7f.1 and the like, which resolvers take for 127.0.0.1."""
    if _literal(host):
        return
    try:
        socket.inet_aton(host)
    except (OSError, ValueError):
        return
    raise UnusableAddress("Write the host as a name, or as four decimal numbers.")


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def is_open(address: Address, allowed: Sequence[Network] = ()) -> bool:
    """Return whether a webhook may be sent to that address."""
    plain = _plain(address)
    if plain.packed in _METADATA:
        return False
    if is_named(plain, allowed):
        return True
    if isinstance(plain, ipaddress.IPv4Address):
        return not any(plain in network for network in _CLOSED_V4)
    if plain.scope_id is not None:
        return False
    return plain in _GLOBAL_V6 and not any(plain in network for network in _CLOSED_V6)


def is_named(address: Address, allowed: Sequence[Network]) -> bool:
    """Return whether the settings name the network of that address."""
    plain = _plain(address)
    return any(plain.version == network.version and plain in network for network in allowed)


def _plain(address: Address) -> Address:
    """Return the IPv4 address that is meant by ::ffff:127.0.0.1."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def check(addresses: Iterable[Address], target: Target, allowed: Sequence[Network]) -> None:
    """Refuse a host with any address that may not be reached, so that no second answer slips one in.

    Raises:
        UnusableAddress: Names the address.
    """
    for address in addresses:
        if not is_open(address, allowed):
            raise UnusableAddress(
                "%(host)s leads to %(address)s, which is not on the internet; an address within one's own "
                "network must be in JANELA_WEBHOOK_ALLOW.",
                host=target.host,
                address=address,
            )
        if target.scheme == "http" and not is_named(address, allowed):
            raise UnusableAddress("Only networks in JANELA_WEBHOOK_ALLOW are reached without https.")


def system_resolver(host: str, port: int) -> list[str]:
    """Return every address that the system knows for a host; `OSError` when it knows none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def resolve(target: Target, allowed: Sequence[Network], resolver: Resolver = system_resolver) -> list[str]:
    """Return the checked addresses of a target: connect to one of these, and do not ask again.

    Asking twice is how a guard is fooled: the first answer is public, the second is not.

    Raises:
        UnusableAddress: When any of them may not be reached.
        OSError: When there is none.
    """
    found = list(resolver(target.host, target.port))
    if not found:
        raise OSError(f"{target.host} has no address")
    check([ipaddress.ip_address(text) for text in found], target, allowed)
    return found
