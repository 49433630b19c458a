"""The resumable state beside a model's files: a run that goes on from it is the run that never stopped."""

import io
from pathlib import Path
from typing import Any

import torch

from sslviz.errors import ErrorCode, UserError
from sslviz.files import atomic, writing
from sslviz.training.config import TrainConfig
from sslviz.training.stepper import Stepper

STATE = "state.pt"
# what a run and its resumption must have in common
SAME = ("dataset", "model", "views", "epochs", "steps", "minutes", "batch_size", "lr", "weight_decay", "seed")


def save_state(stepper: Stepper, path: Path, *, step: int, seconds: float) -> None:
    """Write weights, optimiser and random state after a step, whole or not at all.

    Raises:
        UserError: the disk is full, or the folder can't be written to.
        FloatingPointError: a loss was not finite; the state saved before stays.
    """
    stepper.check_finite()
    state = {"step": step, "seconds": seconds, "rng": torch.get_rng_state(), "run": _identity(stepper.config)}
    state |= {"precision": stepper.precision}
    state |= {"model": stepper.model.state_dict(), "optimizer": stepper.optimizer.state_dict()}
    content = io.BytesIO()  # torch's own writer says nothing useful of a full disk
    torch.save(state, content)
    with writing(path.parent), atomic(path) as temporary:
        temporary.write_bytes(content.getbuffer())


def read_state(config: TrainConfig, path: Path) -> dict[str, Any]:
    """The state of a run with the same settings, on the CPU.

    Raises:
        UserError: it is damaged, or of a run with other settings.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        other = state["run"] != _identity(config)
    except Exception as error:  # a damaged file fails in many ways
        raise _unreadable(path, error) from error
    if other:
        raise UserError(
            f"{path} belongs to a run with other settings; resume with the command that it began with.",
            code=ErrorCode.STATE,
        )
    return state


def restore(stepper: Stepper, state: dict[str, Any], path: Path) -> tuple[int, float]:
    """Put a state that was read from `path` into a stepper; the step and the seconds that it was saved after.

    Raises:
        UserError: it does not fit.
    """
    try:
        stepper.model.load_state_dict(state["model"])
        stepper.optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["rng"])
        return int(state["step"]), float(state["seconds"])
    except Exception as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> UserError:
    return UserError(f"{path} can't be read ({error}); delete its folder and train again.", code=ErrorCode.STATE)


def _identity(config: TrainConfig) -> str:
    return repr([getattr(config, name) for name in SAME])
