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

#: How the files of this Python end.
_SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")

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


def build(root: Path, folder: Path) -> dict[Path, Path]:
    """Compile into *folder*; return where each file belongs below *root*. Raises if it cannot."""
    from setuptools import Distribution, Extension

    extensions = [Extension(module, [str(root / source)]) for module, source in SOURCES.items()]
    command: Any = Distribution({"ext_modules": extensions}).get_command_obj("build_ext")
    command.build_lib = command.build_temp = str(folder)
    command.ensure_finalized()
    command.run()
    built = {Path(command.get_ext_fullpath(module)): source for module, source in SOURCES.items()}
    return {file: source.with_name(file.name) for file, source in built.items()}


class CustomBuildHook(BuildHookInterface[Any]):
    """What hatchling calls for a wheel; for an editable install the file lies by its source."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add what was built to the wheel, which is then one for this Python and machine."""
        root, reason = Path(self.root), refusal()
        # Until the wheel is written, or the build has failed.
        self._folder = tempfile.TemporaryDirectory(prefix="multipool-build-")
        built: dict[Path, Path] = {}
        if reason is None:
            try:
                built = build(root, Path(self._folder.name))
            except Exception as error:  # no compiler, no headers, a machine of another kind
                reason = f"{type(error).__name__}: {error}"
        if reason is not None:
            self.app.display_warning(f"nothing is built in C: {reason}")
        if version == "editable":
            for source in SOURCES.values():  # what an earlier install has left
                (root / source).with_name(f"{source.stem}{_SUFFIX}").unlink(missing_ok=True)
            for file, place in built.items():
                shutil.copy(file, root / place)
        elif built:
            build_data["pure_python"] = False
            build_data["infer_tag"] = True
            for file, place in built.items():
                build_data["force_include"][str(file)] = str(place)

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Delete what was only needed until the wheel was written."""
        self._folder.cleanup()
