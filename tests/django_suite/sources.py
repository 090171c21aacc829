"""The suite of the installed Django: its wheel has none, its source distribution does."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path


class NoSources(Exception):
    """There is no source distribution of the installed Django to be had."""


def fetch_suite(version: str, folder: Path) -> Path:
    """Download the sources of Django *version* into *folder*; return the suite's folder.

    Raises `NoSources` if pip finds none, which it does not for a Django from a clone.
    """
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    asked = ["--no-deps", "--no-binary", "Django", "--dest", str(folder), f"Django=={version}"]
    done = subprocess.run([*pip, "download", *asked], capture_output=True, text=True, check=False)
    archives = list(folder.glob(f"[Dd]jango-{version}.tar.gz"))
    if done.returncode or not archives:
        raise NoSources(
            f"Django {version} is installed, and its suite comes with the source distribution of"
            f" that very version, which pip cannot get:\n{done.stderr.strip()}"
        )
    unpacked = folder / "unpacked"
    with tarfile.open(archives[0]) as archive:
        # Absent before 3.11.4, where it is the caller who trusts the archive, as we do.
        archive.extraction_filter = getattr(tarfile, "data_filter", lambda member, path: member)
        archive.extractall(unpacked)
    return next(unpacked.iterdir()) / "tests"
