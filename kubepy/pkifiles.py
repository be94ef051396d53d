"""Where the files of a PKI folder lie. Standard library only: the supervisor needs the paths, not the cryptography."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Pki:
    """Paths of the files of one PKI folder."""

    dir: Path

    @property
    def ca_cert(self) -> Path:
        """The cluster CA's certificate."""
        return self.dir / "ca.crt"

    @property
    def ca_key(self) -> Path:
        """The cluster CA's key."""
        return self.dir / "ca.key"

    @property
    def sa_key(self) -> Path:
        """The private key that signs service-account tokens."""
        return self.dir / "sa.key"

    @property
    def sa_pub(self) -> Path:
        """Its public key."""
        return self.dir / "sa.pub"

    def cert(self, name: str) -> Path:
        """The certificate called `name`."""
        return self.dir / f"{name}.crt"

    def key(self, name: str) -> Path:
        """The key called `name`."""
        return self.dir / f"{name}.key"
