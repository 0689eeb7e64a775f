"""Certificates of this machine that nobody vouches for, for servers of the tests."""

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Certificate:
    """`path` is what a client has to trust; `server` is a context of a server that shows it."""

    path: Path
    server: ssl.SSLContext

    @classmethod
    def made_in(cls, folder: Path) -> "Certificate":
        key, path = folder / "key.pem", folder / "cert.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
             "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", path],
            check=True, capture_output=True,
        )  # fmt: skip
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(path, key)
        return cls(path, server)
