"""Certificates that servers of tests show, signed by themselves."""

from __future__ import annotations

import subprocess
from pathlib import Path


def a_certificate(folder: Path, name: str, *, address: str = "") -> Path:
    """Return a certificate for a name, and for an IP address if one is given; its key lies beside it (`.key`)."""
    path = folder / f"{name}.crt"
    names = f"DNS:{name}" + (f",IP:{address}" if address else "")
    subprocess.run(  # fixed arguments
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-keyout", path.with_suffix(".key"), "-out", path, "-days", "2", "-subj", f"/CN={name}",
         "-addext", f"subjectAltName={names}"],
        check=True, capture_output=True,
    )  # fmt: skip
    return path
