"""Builds the hot path in C, where that is possible; without it multipool is Python alone.

A missing compiler is no error: it is said in the build's output, and the pool does without.
"""

from __future__ import annotations

import os
import shutil
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

#: What is built: the module, and its source in this repository.
MODULE = "multipool._hotpath"
SOURCE = Path("multipool", "multipool", "_hotpath.c")


def refusal() -> str | None:
    """Return why nothing is built; None: it is."""
    if os.environ.get("MULTIPOOL_PURE_PYTHON"):
        return "MULTIPOOL_PURE_PYTHON is set"
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        return "this Python has no interpreter lock, which it relies on"
    if not sysconfig.get_config_var("SOABI").startswith("cpython"):
        return "this is not CPython"
    return None


def build(source: Path, folder: Path) -> Path | None:
    """Compile into *folder*; return the file, or None if there is none."""
    from setuptools import Distribution, Extension

    extension = Extension(MODULE, [str(source)], optional=True)  # else it raises
    command: Any = Distribution({"ext_modules": [extension]}).get_command_obj("build_ext")
    command.build_lib = command.build_temp = str(folder)
    command.ensure_finalized()
    command.run()
    built = Path(command.get_ext_fullpath(MODULE))
    return built if built.exists() else None


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """What hatchling calls for a wheel; for an editable install the file lies by its source."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add what was built to the wheel, which is then one for this Python and machine."""
        source, reason = Path(self.root, SOURCE), refusal()
        folder = Path(tempfile.mkdtemp(prefix="multipool-build-"))
        built = None if reason else build(source, folder)
        if built is None:
            self.app.display_warning(
                f"the hot path is not built in C: {reason or 'the compiler failed'}"
            )
        elif version == "editable":
            shutil.copy(built, source.with_name(built.name))
        else:
            build_data["pure_python"] = False
            build_data["infer_tag"] = True
            build_data["force_include"][str(built)] = str(SOURCE.with_name(built.name))
        self._folder = folder

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Delete what was only needed until the wheel was written."""
        shutil.rmtree(self._folder)
