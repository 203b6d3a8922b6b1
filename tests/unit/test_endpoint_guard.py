"""Which addresses webhooks may reach."""

from __future__ import annotations

import ipaddress

import pytest

from notifications import endpoint_guard as guard
from notifications.errors import InvalidTransport, UnusableAddress

CLOSED = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "168.63.129.16",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:0a00:1::",
    "3fff::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "5f00::1",
]
OPEN = [
    "1.1.1.1",
    "8.8.8.8",
    "93.184.216.34",
    "172.15.255.255",
    "172.32.0.1",
    "100.63.255.255",
    "100.128.0.0",
    "11.0.0.1",
    "192.169.0.1",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2a00:1450:4003::1",
    "::ffff:8.8.8.8",
    "2001:4860:4860::8888",
]


@pytest.mark.parametrize("text", CLOSED)
def test_an_address_that_is_not_on_the_internet_is_closed(text: str) -> None:
    assert not guard.is_open(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", OPEN)
def test_an_address_on_the_internet_is_open(text: str) -> None:
    assert guard.is_open(ipaddress.ip_address(text))


@pytest.mark.parametrize(
    ("text", "allow", "expected"),
    [
        ("10.20.3.4", "10.20.0.0/16", True),
        ("10.21.3.4", "10.20.0.0/16", False),
        ("::ffff:10.20.3.4", "10.20.0.0/16", True),
        ("127.0.0.1", "10.20.0.0/16 127.0.0.0/8", True),
        ("::1", "127.0.0.0/8", False),
        ("fd12::9", "fd00::/8", True),
        ("169.254.169.254", "10.0.0.0/8", False),
        ("169.254.1.1", "169.254.0.0/16", True),
        ("169.254.169.254", "169.254.0.0/16", False),
        ("169.254.169.254", "169.254.169.254/32", False),
        ("::ffff:169.254.169.254", "0.0.0.0/0 ::/0", False),
        ("fd00:ec2::254", "fd00::/8", False),
        ("fd00:ec2::254%eth0", "fd00::/8", False),
        ("100.100.100.200", "100.64.0.0/10", False),
    ],
)
def test_the_setting_opens_the_networks_it_names_and_no_other(text: str, allow: str, expected: bool) -> None:
    assert guard.is_open(ipaddress.ip_address(text), guard.read_networks(allow)) is expected


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.org/x",
        "ftp://hooks.example.org/x",
        "https://",
        "https:///x",
        "hooks.example.org/x",
        "https://name:word@hooks.example.org/",
        "https://hooks.example.org@127.0.0.1/",
        "https://127.0.0.1/",
        "https://127.0.0.1:8443/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.1/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://0/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:7f00:1]/",
        "https://[fe80::1%25eth0]/",
        "https://169.254.169.254/latest/meta-data/",
        "https://hooks.example.org:0/",
        "https://hooks.example.org:99999/",
        "https://hooks.example.org/x#fragment",
        "https://hooks.example.org/x\r\nHost: other",
        "https://hooks.example.org/a b",
        "https://hooks.example.org\\@127.0.0.1/",
        "https://１２７.0.0.1/",
        "https://hooks.example.org/" + "x" * 320,
    ],
)
def test_an_address_that_cannot_be_a_webhook_is_refused_when_it_is_given(url: str) -> None:
    with pytest.raises(UnusableAddress):
        guard.read_target(url)


@pytest.mark.parametrize(
    ("url", "host", "port", "path", "header"),
    [
        ("https://hooks.example.org", "hooks.example.org", 443, "/", "hooks.example.org"),
        ("https://HOOKS.example.org.:443/a?b=c", "hooks.example.org", 443, "/a?b=c", "hooks.example.org"),
        ("https://hooks.example.org:8443/a", "hooks.example.org", 8443, "/a", "hooks.example.org:8443"),
        (
            "https://[2606:4700:4700::1111]:444/",
            "2606:4700:4700::1111",
            444,
            "/",
            "[2606:4700:4700::1111]:444",
        ),
    ],
)
def test_an_address_is_taken_apart(url: str, host: str, port: int, path: str, header: str) -> None:
    target = guard.read_target(url)

    assert (target.host, target.port, target.path, target.host_header) == (host, port, path, header)


@pytest.mark.parametrize(
    "answers", [["127.0.0.1"], ["93.184.216.34", "10.0.0.1"], ["::ffff:127.0.0.1"], ["fe80::1%lo"]]
)
def test_a_name_with_any_closed_address_is_refused(answers: list[str]) -> None:
    target = guard.read_target("https://hooks.example.org/")

    with pytest.raises(UnusableAddress, match="not on the internet"):
        guard.resolve(target, (), lambda host, port: answers)


def test_every_spelling_of_loopback_that_the_system_resolves_is_refused() -> None:
    for host in ("2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0", "localhost"):
        with pytest.raises(UnusableAddress):
            guard.resolve(guard.Target("https", host, 443, "/"), ())


def test_plain_http_reaches_named_networks_alone() -> None:
    networks = guard.read_networks("10.20.0.0/16")
    target = guard.read_target("http://hooks.example.org/", networks)

    assert guard.resolve(target, networks, lambda host, port: ["10.20.0.7"]) == ["10.20.0.7"]
    with pytest.raises(UnusableAddress, match="https"):
        guard.resolve(target, networks, lambda host, port: ["93.184.216.34"])


def test_a_setting_that_is_no_network_is_refused_with_an_example() -> None:
    with pytest.raises(InvalidTransport, match="such as"):
        guard.read_networks("10.20.0.1/16")
