"""Who may join a fleet. Dask carries out what it is sent: whoever reaches one of its ports is its user.

So a fleet is on this machine's loopback address alone, or it speaks TLS with one key that every machine of it has:
:func:`make_key` makes it. Nothing else is spoken.
"""

from __future__ import annotations

import contextlib
import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from distributed.security import Security

from vww_deploy.errors import FleetError
from vww_deploy.files import make_private, write_whole
from vww_deploy.resources import state_dir

DEFAULT_PORT: Final = 8786
LIFE: Final = timedelta(days=730)
"""Of the certificate."""

_NAME: Final = "vww-deploy fleet"


def key_folder() -> Path:
    """Where this machine keeps the fleet's key and certificate."""
    return state_dir() / "fleet"


def make_key(folder: Path | None = None) -> tuple[Path, Path]:
    """Make a fleet's certificate and its private key: the two files that each of its machines needs.

    Raises:
        FleetError: there is one, or it cannot be written.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    certificate_file, key_file = _files(folder)
    if key_file.exists() or certificate_file.exists():
        raise FleetError(
            f"{key_file.parent} has a fleet's key already",
            hint="a new one shuts out every machine that has the old one: move that away first",
        )
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _NAME)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))  # clocks differ
        .not_valid_after(now + LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        key_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        make_private(key_file)
        write_whole(key_file, private)
        write_whole(certificate_file, certificate.public_bytes(serialization.Encoding.PEM))
    except OSError as error:
        raise FleetError(f"{key_file.parent} cannot be written: {error.strerror or error}") from error
    return certificate_file, key_file


def security_for(address: str) -> Security:
    """How to speak to ``address``: plainly on this machine, by TLS with the fleet's key beyond it.

    Raises:
        FleetError: it is no address of a fleet, it leaves this machine without TLS, or the key is missing.
    """
    scheme, host = split(address)
    if scheme == "tcp":
        if not is_loopback(host):
            raise FleetError(
                f"{address} leaves this machine, and tcp:// is not encrypted",
                hint="make a key with `vww-deploy fleet init`, copy it to each machine, and use "
                + address.replace("tcp://", "tls://"),
            )
        return Security()
    certificate, key = map(str, _files(None))
    try:
        context = ssl.create_default_context(cafile=certificate)
        context.load_cert_chain(certificate, key)
    except OSError as error:  # ssl's errors are some
        raise FleetError(
            f"this machine has no key of a fleet in {key_folder()}: {error.strerror or error}",
            hint="`vww-deploy fleet init` makes one on the first machine; copy that folder to the others",
        ) from error
    return Security(
        require_encryption=True,
        tls_ca_file=certificate,
        **{f"tls_{role}_{kind}": path for role in ROLES for kind, path in (("cert", certificate), ("key", key))},
    )


ROLES: Final = ("client", "scheduler", "worker")


def split(address: str) -> tuple[str, str]:
    """Scheme and host of a fleet's address.

    Raises:
        FleetError: it is none.
    """
    with contextlib.suppress(ValueError):
        parts = urlsplit(address)
        if parts.scheme in ("tcp", "tls") and parts.hostname and parts.port:
            return parts.scheme, parts.hostname
    raise FleetError(
        f"{address!r} is no address of a fleet", hint=f"tcp://127.0.0.1:{DEFAULT_PORT}, or tls://HOST:{DEFAULT_PORT}"
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _files(folder: Path | None) -> tuple[Path, Path]:
    place = folder or key_folder()
    return place / "certificate.pem", place / "key.pem"
