"""`janela serve` and `janela demo`: the site, with scheduler and delivery in the same process."""

from __future__ import annotations

import errno
import os
import socket

import click
from granian import Granian
from granian.constants import Interfaces

from maintenance import schema
from maintenance.errors import JanelaError
from maintenance.runtime import Runtime
from notifications import demonstration

host_option = click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
port_option = click.option("--port", default=8000, show_default=True, help="Port to listen on.")


class AddressInUse(JanelaError):
    """Something else listens there already."""


def register(cli: click.Group) -> None:
    """Add the commands to `janela`."""
    cli.add_command(serve)
    cli.add_command(demo)


@click.command()
@host_option
@port_option
@click.pass_obj
def serve(runtime: Runtime, host: str, port: int) -> None:
    """Serve the site; with the embedded engine also do all due work, in the same process."""
    schema.check(runtime.database)
    check_address(host, port)
    run_server(host, port)


@click.command()
@host_option
@port_option
@click.option("--reset", is_flag=True, help="Throw the demonstration away and load it anew.")
@click.option("--prepare-only", is_flag=True, help="Load it, do not serve it.")
@click.pass_obj
def demo(runtime: Runtime, host: str, port: int, reset: bool, prepare_only: bool) -> None:
    """Load the reference case, announce it, and serve it; what is there already is kept."""
    if not prepare_only:
        check_address(host, port)
    if reset:
        demonstration.remove(runtime, now=runtime.clock())
    for line in demonstration.prepare(runtime, now=runtime.clock()):
        click.echo(line)
    if prepare_only:
        return
    address = f"http://{host}:{port}"
    # The process that serves reads its settings anew: links in what it sends lead to this address.
    os.environ.setdefault("JANELA_PUBLIC_URL", address)
    click.echo(f"\nThe site is at {address} (stop it with Ctrl-C).\n")
    run_server(host, port)


def check_address(host: str, port: int) -> None:
    """Do nothing if `host:port` is free.

    Raises:
        AddressInUse: With what to do.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        # As the server does it: a port whose last connections are only dying away counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise AddressInUse(
                    "Port %(port)s on %(host)s is in use. Stop what listens there, or choose another port: "
                    "make run PORT=%(other)s (or janela serve --port %(other)s).",
                    port=port,
                    host=host,
                    other=port + 1,
                ) from None
            raise AddressInUse(
                "Cannot listen on %(host)s:%(port)s (%(why)s). Choose an address of this machine and a port "
                "above 1023.",
                host=host,
                port=port,
                why=error.strerror,
            ) from None


def run_server(host: str, port: int) -> None:
    """Serve until stopped. One worker process holds the pages, the ticks and the deliveries."""
    Granian(
        "app:create_served_app",
        factory=True,
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=1,
        blocking_threads=2 * (os.cpu_count() or 1),
        respawn_failed_workers=True,
        websockets=False,
        log_access=False,
    ).serve()
