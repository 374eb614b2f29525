"""The files that a gateway knows its callers by, and its own certificate: read again when changed.

What can't be read leaves what was read before: a file that is being written, or has a mistake,
shuts nobody out and lets nobody in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, cast

import grpc
import structlog

from gateway.config.grpc import GrpcSettings, material_of
from gateway.security.folder import CertificateError, tokens_in
from gateway.security.material import Material, TlsFiles, now
from gateway.security.tokens import Token

#: How often the files are looked at, seconds: so soon a revoked caller's streams end.
LOOK_S: Final = 1.0
#: How often the log says that a certificate ends soon.
WARN_AGAIN: Final = timedelta(days=1)

Stamp = tuple[tuple[int, int, int], ...]

log = structlog.get_logger(__name__)


class Keys:
    """What is in the files now."""

    def __init__(self, settings: GrpcSettings, folder: Path) -> None:
        """Raises CertificateError where they can't be used."""
        self._settings, self._folder = settings, folder
        tls = settings.secured
        self._tls_files: TlsFiles | None = tls.files(folder) if tls else None
        self._tokens_file = folder / settings.tokens
        self._stamp = self._look()
        self._material: Material | None = None
        #: Why they could not be read again; empty where they could.
        self._failure = ""
        #: As gRPC takes it; there where there is TLS.
        self._configuration: Any = None
        #: Tokens that are taken.
        self.tokens: Sequence[Token] = ()
        self._read()

    @property
    def revoked(self) -> frozenset[int]:
        """Serial numbers of certificates."""
        return self._material.revoked if self._material else frozenset()

    def credentials(self, *, certificates: bool) -> grpc.ServerCredentials:
        """Of a port for clients with certificates, or for those with none.

        Each connection is made with the certificate of its time.
        """
        given = self._configuration

        def newer() -> Any:
            # gRPC asks at each connection, and makes all anew of whatever it is told: under the
            # hands of those that it is shaking, which then break.
            nonlocal given
            if given is self._configuration:
                return None
            given = self._configuration
            return given

        made: Any = grpc.dynamic_ssl_server_credentials(  # the stubs have another result
            given, newer, certificates
        )
        return cast(grpc.ServerCredentials, made)

    async def follow(self, changed: Callable[[], None]) -> None:
        """Reads again what has changed; calls `changed` at each look, also as certificates end."""
        warned = now() - WARN_AGAIN
        while True:
            stamp = await asyncio.to_thread(self._look)
            if stamp != self._stamp or self._failure:
                self._stamp = stamp
                await asyncio.to_thread(self._read_again)
            if self._material and now() - warned >= WARN_AGAIN:
                warned = now()
                for text in self._material.warnings(warned):
                    log.warning(text)
            changed()
            await asyncio.sleep(LOOK_S)

    def _read_again(self) -> None:
        try:
            self._read()
        except CertificateError as error:
            if str(error) != self._failure:
                log.error("certificates and tokens stay as they were", reason=str(error))
            self._failure = str(error)
        else:
            self._failure = ""
            log.info("certificates and tokens are read again")

    def _read(self) -> None:
        tokens = tokens_in(self._tokens_file)
        material = material_of(self._settings, self._folder)
        if material:
            self._material = material
            self._configuration = grpc.ssl_server_certificate_configuration(
                [(material.key_pem, material.certificate_pem)], material.ca_pem
            )
        self.tokens = tokens

    def _look(self) -> Stamp:
        files = (*(self._tls_files.all if self._tls_files else ()), self._tokens_file)
        return tuple(map(_stamp_of, files))


def _stamp_of(file: Path) -> tuple[int, int, int]:
    try:
        stat = file.stat()
    except OSError:
        return (0, 0, 0)
    return (stat.st_ino, stat.st_mtime_ns, stat.st_size)
