from collections.abc import Callable, Sequence
from types import CodeType, FrameType
from typing import Any

def bound_to(
    is_library: dict[str, bool],
) -> tuple[
    Callable[[FrameType | None], list[Any]],
    Callable[[FrameType], tuple[CodeType, int]],
    Callable[[Sequence[Any]], tuple[CodeType, int]],
    Callable[[FrameType, str, str], FrameType | None],
]: ...
