"""Requests go to Qonto or to this machine, and secrets to nobody without its certificate."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from tap_qonto.settings import problems
from tests.api.planted import LOGIN, PLANT, SECRET_KEY
from tests.kit import faults
from tests.kit.runner import PATIENCE, run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("url", "accepted"),
    [
        ("https://thirdparty.qonto.com/v2", True),
        ("http://127.0.0.1:8000/v2", True),
        ("http://[::1]:8000/v2", True),
        ("http://localhost/v2", True),
        ("http://thirdparty.qonto.com/v2", False),
        ("http://127.0.0.1.example.com/v2", False),
        ("http://localhost.example.com/v2", False),
        ("http://127.0.0.1@example.com/v2", False),
        ("http://192.168.0.10/v2", False),
        ("ftp://127.0.0.1/v2", False),
        ("//127.0.0.1/v2", False),
        ("https://", False),
        ("https://[", False),
    ],
)
@pytest.mark.parametrize("name", ["api_url", "token_url"])
def test_plain_http_is_accepted_for_this_machine_only(
    name: str, url: str, *, accepted: bool
) -> None:
    sentences = list(problems({name: url}, {name: {}}))
    assert not sentences if accepted else "https://" in sentences[0]


@pytest.mark.parametrize("name", ["verify", "verify_ssl", "ssl_verify", "tls_verify", "insecure"])
def test_no_setting_switches_the_check_of_certificates_off(name: str) -> None:
    outcome = run({"login": LOGIN, "secret_key": SECRET_KEY, name: False})
    assert outcome.exit_code == 1
    assert f"The setting '{name}' does not exist" in outcome.log


@pytest.mark.usefixtures("slept")
@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs a certificate")
@pytest.mark.slow
def test_a_host_with_a_certificate_of_its_own_gets_no_credentials(
    tmp_path: Path,
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
        timeout=PATIENCE,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    received: list[bytes] = []

    def serve(server: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = server.accept()
                with suppress(OSError), context.wrap_socket(connection, server_side=True) as tls:
                    received.append(tls.recv(65_536))

    with faults.listening() as server:
        thread = threading.Thread(target=serve, args=(server,), daemon=True)
        thread.start()
        settings = {"login": LOGIN, "secret_key": SECRET_KEY, "request_timeout": 5}
        port = server.getsockname()[1]
        outcome = run(settings | {"api_url": f"https://localhost:{port}/v2"}, select=["labels"])
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        thread.join(5)
    assert outcome.exit_code == 1
    assert "the TLS certificate or connection was refused" in outcome.log
    assert not any(PLANT.encode() in request for request in received)
