from collections.abc import Callable
from typing import Any

def stand_for(
    function: Callable[..., Any],
    kind: int,
    *,
    notes_frames: bool,
    waiting: Any,
    idle: Any,
    match: Callable[[], None],
    home: Any,
    status: Callable[[Any], int],
    tracing: Any,
    upkeep: Any,
    here: Any,
    clock: Any,
    monotonic: Callable[[], float],
    slot_type: type,
    borrower_type: type,
) -> Any: ...
