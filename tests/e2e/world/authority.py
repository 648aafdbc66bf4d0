"""Certificates of the fake internet, made anew in each session: a root, an intermediate, and leaves good and bad."""
from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_DAY = datetime.timedelta(days=1)


@dataclass
class Issuer:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _ca(common: str, parent: Issuer | None = None) -> Issuer:
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.utcnow()
    signer = parent or Issuer(None, key)  # a root signs itself
    builder = (x509.CertificateBuilder().subject_name(_name(common))
               .issuer_name(parent.certificate.subject if parent else _name(common))
               .public_key(key.public_key()).serial_number(x509.random_serial_number())
               .not_valid_before(now - _DAY).not_valid_after(now + 10 * _DAY)
               .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
               .add_extension(x509.KeyUsage(True, False, False, False, False, True, True, False, False), critical=True)
               .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False))
    if parent:
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(parent.key.public_key()), critical=False)
    return Issuer(builder.sign(signer.key, hashes.SHA256()), key)


class Authority:
    """Writes `<folder>/<name>.pem` (leaf, chain and key in one file) and the trust anchors."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self._root = _ca("Fixture Root")
        self._intermediate = _ca("Fixture Intermediate", self._root)
        self._stranger = _ca("Stranger Root")
        self.root_file = folder / "root.crt"
        self.root_file.write_bytes(_pem(self._root.certificate))

    def leaf(self, host: str, *, names: list[str] | None = None, start: int = -1, end: int = 7,
             usage=ExtendedKeyUsageOID.SERVER_AUTH, issuer: str = "root", send_chain: bool = True) -> Path:
        """A leaf for `host`; `names` replaces the subject alternative names, `start`/`end` are days from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.utcnow()
        signer = {"root": self._root, "intermediate": self._intermediate, "stranger": self._stranger,
                  "self": Issuer(None, key)}[issuer]
        builder = (x509.CertificateBuilder().subject_name(_name(host))
                   .issuer_name(signer.certificate.subject if signer.certificate else _name(host))
                   .public_key(key.public_key()).serial_number(x509.random_serial_number())
                   .not_valid_before(now + start * _DAY).not_valid_after(now + end * _DAY)
                   .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
                   .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
                   .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
                   .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key()), False))
        alternatives = [host] if names is None else names
        if alternatives:
            builder = builder.add_extension(x509.SubjectAlternativeName([_general_name(n) for n in alternatives]), False)
        chain = [_pem(builder.sign(signer.key, hashes.SHA256()))]
        if issuer == "intermediate" and send_chain:
            chain.append(_pem(self._intermediate.certificate))
        path = self.folder / f"{host}.pem"
        path.write_bytes(b"".join(chain) + _key_pem(key))
        return path

    def odd_leaves(self) -> None:
        """The leaves of names.GOOD_TLS, names.BAD_TLS and names.OLD_TLS."""
        self.leaf("chain.tls.example", issuer="intermediate")
        self.leaf("wild.wild.tls.example", names=["*.wild.tls.example"])
        self.leaf("expired.tls.example", start=-9, end=-2)
        self.leaf("notyet.tls.example", start=2, end=9)
        self.leaf("wrongname.tls.example", names=["other.tls.example"])
        self.leaf("selfsigned.tls.example", issuer="self")
        self.leaf("unknownroot.tls.example", issuer="stranger")
        self.leaf("clienteku.tls.example", usage=ExtendedKeyUsageOID.CLIENT_AUTH)
        self.leaf("incomplete.tls.example", issuer="intermediate", send_chain=False)
        self.leaf("commonname.tls.example", names=[])
        self.leaf("old.tls.example")


def _general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)
