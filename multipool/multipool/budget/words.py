"""What a pool has of the budget, and who has the rest, in words."""

from __future__ import annotations

from multipool.budget.store import Answer


def words(answer: Answer | None, cap: int, trouble: str | None) -> str:
    """Say what the store has answered last, to a pool that may open *cap*."""
    if answer is None:
        return f"no share of the budget yet{f': {trouble}' if trouble else ''}"
    hosts = ", ".join(
        f"{name} ({_processes(number)}, {held} connections)" for name, number, held in answer.hosts
    )
    if answer.host_count > len(answer.hosts):
        hosts += f" and {answer.host_count - len(answer.hosts)} more"
    text = (
        f"the budget of {answer.budget} connections is shared by {_processes(answer.processes)}"
        f" on {hosts}; this pool has a share of {cap}"
    )
    return f"{text}; {trouble}" if trouble else text


def _processes(number: int) -> str:
    return f"{number} process" if number == 1 else f"{number} processes"
