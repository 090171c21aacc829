"""The process's adapters: what every connection starts from."""

from __future__ import annotations

from typing import Final

from multipool_pg8000 import dump
from multipool_pg8000.adapters import Adapters

#: Register here what all connections shall know.
adapters: Final = Adapters()
dump.register(adapters)
