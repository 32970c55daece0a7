"""Certificates: where they come from, and advice that is true where they are refused. By real handshakes."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from nodes.api import Server, certificates
from nodes.errors import ConnectionFailed, InputError
from tests.api.conftest import OddServer, odd_server, send

HERE = "127.0.0.1"


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in certificates.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    certificates._read.cache_clear()
    yield
    certificates._read.cache_clear()


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def odd(authority: trustme.CA) -> Iterator[OddServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HERE).configure_cert(context)
    with odd_server(lambda _: (200, {}, b"{}"), context) as server:
        yield server


def at(odd: OddServer, host: str = HERE) -> Server:
    return Server(f"https://{host}:{odd.port}/v1")


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_each_variable_names_a_bundle(
    variable: str, authority: trustme.CA, odd: OddServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConnectionFailed, match="REQUESTS_CA_BUNDLE"):
        send(at(odd))
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv(variable, str(tmp_path / "ca.pem"))
    assert send(at(odd)).status == 200


def test_the_first_variable_decides(
    authority: trustme.CA, odd: OddServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "right.pem"))
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "wrong.pem"))
    monkeypatch.setenv("CURL_CA_BUNDLE", str(tmp_path / "wrong.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "right.pem"))
    assert send(at(odd)).status == 200
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "wrong.pem"))
    with pytest.raises(ConnectionFailed, match="SSL_CERT_FILE, which is set and decides alone"):
        send(at(odd))


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_bundle_that_is_not_there_is_named(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "/no/such/file.pem")
    with pytest.raises(InputError, match=variable) as caught:
        send(Server("https://images.example.test/v1"))
    assert caught.value.code == "NETWORK_SETTINGS"


def test_what_the_system_trusts_is_trusted_too(
    authority: trustme.CA, odd: OddServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "system.pem"))
    read = ssl.SSLContext.load_default_certs

    def of_the_system(context: ssl.SSLContext, purpose: ssl.Purpose = ssl.Purpose.SERVER_AUTH) -> None:
        read(context, purpose)
        context.load_verify_locations(tmp_path / "system.pem")

    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", of_the_system)
    assert send(at(odd)).status == 200


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_the_systems_own_verification_is_used_where_truststore_is_there(
    platform: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    truststore = pytest.importorskip("truststore")
    monkeypatch.setattr(certificates.sys, "platform", platform)
    assert isinstance(certificates.certificates(), truststore.SSLContext)


def test_another_machines_certificate_is_called_that(
    authority: trustme.CA, odd: OddServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with pytest.raises(ConnectionFailed, match="another machine's"):
        send(at(odd, "localhost"))


def _issue(folder: Path) -> None:
    """As careless inspectors of TLS do: an authority without key usage, a certificate without key identifiers."""
    now = datetime.datetime.now(datetime.timezone.utc)
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Inspector")])

    def builder(public_key: ec.EllipticCurvePublicKey, subject: x509.Name) -> x509.CertificateBuilder:
        dated = x509.CertificateBuilder().not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
        numbered = dated.serial_number(x509.random_serial_number()).public_key(public_key)
        return numbered.subject_name(subject).issuer_name(name)

    authority = builder(ca_key.public_key(), name).add_extension(x509.BasicConstraints(True, None), critical=True)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HERE))])
    leaf = builder(key.public_key(), x509.Name([])).add_extension(names, critical=True)
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(authority.sign(ca_key, hashes.SHA256()).public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "leaf.pem").write_bytes(private + leaf.sign(ca_key, hashes.SHA256()).public_bytes(pem))


def test_a_malformed_certificate_gets_advice_that_helps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _issue(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "leaf.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with odd_server(lambda _: (200, {}, b"{}"), context) as odd:
        # Python 3.13 begins with this.
        certificates.certificates().verify_flags |= ssl.VERIFY_X509_STRICT
        with pytest.raises(ConnectionFailed, match="RFC 5280") as caught:
            send(at(odd))
        assert "does not help" in caught.value.hint
        certificates.certificates().verify_flags &= ~ssl.VERIFY_X509_STRICT
        assert send(at(odd)).status == 200
