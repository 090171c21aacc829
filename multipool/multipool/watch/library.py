"""Whose code a file holds: the application's, or a library's."""

from __future__ import annotations

import sysconfig
from pathlib import Path
from typing import Final

#: Where installed packages lie, on any system.
_PACKAGES: Final = frozenset({"site-packages", "dist-packages"})


#: So many files are remembered.
_MOST: Final = 20_000


class _Libraries(dict[str, bool]):
    """By the name of a file, as code objects have it, whether it is a library's. It learns."""

    def __init__(self) -> None:
        super().__init__()
        paths = sysconfig.get_paths()
        self._roots = {Path(paths["stdlib"]), Path(paths["platstdlib"])}
        self._exempt: set[Path] = set()

    def __missing__(self, filename: str) -> bool:
        if len(self) >= _MOST:  # as where each of many texts is compiled under a name of its own
            self._forget()
        self[filename] = found = self._judge(filename)
        (library if found else application).add(filename)
        return found

    def _judge(self, filename: str) -> bool:
        if filename.startswith("<"):
            return filename.startswith("<frozen ")
        path = Path(filename)
        if any(folder in path.parents for folder in self._exempt):
            return False
        return not _PACKAGES.isdisjoint(path.parts) or any(
            root in path.parents for root in self._roots
        )

    def add(self, folder: Path) -> None:
        """Count all that is below *folder* as a library's."""
        self._roots.add(folder)
        self._forget()

    def exempt(self, folder: Path) -> None:
        """Count all that is below *folder* as the application's, though it is installed."""
        self._exempt.add(folder)
        self._forget()

    def _forget(self) -> None:
        self.clear()
        library.clear()
        application.clear()


#: The names that were found to be the application's, and the others. A set is asked in a third of
#: the time, and each execution asks; `is_library` answers for what is in neither.
application: Final[set[str]] = set()
library: Final[set[str]] = set()


#: Python's own library, what is installed beside it, and multipool itself, which need not be.
is_library: Final = _Libraries()
is_library.add(Path(__file__).parents[1])
