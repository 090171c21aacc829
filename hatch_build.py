"""Builds what is in C, where that is possible; without it multipool is Python alone.

A missing compiler is no error: it is said in the build's output, and the pool does without.
"""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

#: What is built: each module, and its source in this repository.
SOURCES = {
    "multipool._hotpath": Path("multipool", "multipool", "_hotpath.c"),
    "multipool.watch._stacks": Path("multipool", "multipool", "watch", "_stacks.c"),
}


def refusal() -> str | None:
    """Return why nothing is built; None: it is."""
    if os.environ.get("MULTIPOOL_PURE_PYTHON"):
        return "MULTIPOOL_PURE_PYTHON is set"
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        return "this Python has no interpreter lock, which it relies on"
    if sys.implementation.name != "cpython":  # not by SOABI, which Windows may leave out
        return "this is not CPython"
    return None


def build(root: Path, folder: Path) -> dict[Path, Path] | None:
    """Compile into *folder*; return where each file belongs below *root*; None: it failed."""
    from setuptools import Distribution, Extension

    extensions = [
        Extension(module, [str(root / source)], optional=True)  # else it raises
        for module, source in SOURCES.items()
    ]
    command: Any = Distribution({"ext_modules": extensions}).get_command_obj("build_ext")
    command.build_lib = command.build_temp = str(folder)
    command.ensure_finalized()
    command.run()
    built = {Path(command.get_ext_fullpath(module)): source for module, source in SOURCES.items()}
    if not all(file.exists() for file in built):
        return None
    return {file: source.with_name(file.name) for file, source in built.items()}


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """What hatchling calls for a wheel; for an editable install the file lies by its source."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add what was built to the wheel, which is then one for this Python and machine."""
        root, reason = Path(self.root), refusal()
        folder = Path(tempfile.mkdtemp(prefix="multipool-build-"))
        built = None if reason else build(root, folder)
        if built is None:
            self.app.display_warning(f"nothing is built in C: {reason or 'the compiler failed'}")
        elif version == "editable":
            for file, place in built.items():
                shutil.copy(file, root / place)
        else:
            build_data["pure_python"] = False
            build_data["infer_tag"] = True
            for file, place in built.items():
                build_data["force_include"][str(file)] = str(place)
        self._folder = folder

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Delete what was only needed until the wheel was written."""
        shutil.rmtree(self._folder)
