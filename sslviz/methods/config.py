"""Frozen configs whose numbers carry their bounds: once, for command line, page and the check of foreign files.

A number's bounds stand beside it, `hidden: Annotated[int, Bounds(1, 8192)] = 512`, or, where the train page shows it,
in the method's entry of `sslviz.methods.registry`. Imports no torch.
"""

from dataclasses import dataclass, fields, is_dataclass
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple, Self, get_type_hints

from sslviz.errors import UserError


class Bounds(NamedTuple):
    """The least and the most that a number may be; of a tuple, each of its numbers."""

    low: float
    high: float


class OutOfBounds(UserError):
    """A number, or a set of numbers, that no config can have."""


@lru_cache(maxsize=128)
def bounds_of(config: type) -> dict[str, Bounds]:
    """The bounds of each number of a config, by its dotted option: "seed", "encoder.widths".

    Args:
        config: a frozen dataclass; configs in it count, by their field's name and a dot.
    """
    found: dict[str, Bounds] = {}
    for name, hint in _hints(config).items():
        if nested := _nested(hint):
            found |= {f"{name}.{key}": bounds for key, bounds in bounds_of(nested).items()}
        for bounds in getattr(hint, "__metadata__", ()):
            if isinstance(bounds, Bounds):
                found[name] = bounds
    if issubclass(config, MethodConfig) and config.method:
        from sslviz.methods.registry import METHODS  # it takes Bounds from here

        for setting in METHODS[config.method].settings:
            found[setting.option.removeprefix("--model.").replace("-", "_")] = setting.bounds
    return found


def check_bounds(config: Any, *, prefix: str = "--") -> None:
    """Hold each number of a config against its bounds; called as it is made, so that no other config ever is.

    Args:
        config: a frozen dataclass; configs in it have been checked when they were made.
        prefix: of its options on the command line.

    Raises:
        OutOfBounds: a number that is not within its bounds, NaN for instance.
        TypeError: a number without bounds.
    """
    kind: type = type(config)
    known = bounds_of(kind)
    for item in fields(config):
        value = getattr(config, item.name)
        numbers = [v for v in (value if isinstance(value, list | tuple) else (value,)) if type(v) in (int, float)]
        if not numbers:
            continue
        if item.name not in known:
            raise TypeError(f"{type(config).__name__}.{item.name} has no bounds; annotate it with Bounds(low, high)")
        low, high = known[item.name]
        if bad := [v for v in numbers if not low <= v <= high]:
            option = f"{prefix}{item.name.replace('_', '-')}"
            raise OutOfBounds(f"{option} must lie in {_short(low)} to {_short(high)}, not {_short(bad[0])}.")


@dataclass(frozen=True)
class MethodConfig:
    """What every method's config has. Frozen; a subclass is a frozen dataclass that sets `method`.

    Attributes:
        method: key of the method in `sslviz.methods.registry.METHODS`.
    """

    method: ClassVar[str] = ""

    def __post_init__(self) -> None:
        check_bounds(self, prefix="--model.")

    @classmethod
    def for_images(cls, shape: tuple[int, int, int]) -> Self:
        """The default config for images of a shape (C, H, W)."""
        raise NotImplementedError

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(C, H, W) of the images that the model takes, or (C,) where any side will do."""
        raise NotImplementedError

    @property
    def dim_h(self) -> int:
        """D_h, the width of h."""
        raise NotImplementedError

    @property
    def largest_batch(self) -> int | None:
        """The most images a step, None where memory alone bounds them."""
        return None

    @property
    def batch_reason(self) -> str:
        """Why `largest_batch`, and what to do about it: the end of a sentence."""
        return "; lower --batch-size"

    def refusal(self, shape: tuple[int, ...]) -> str:
        """Why images of a shape (C, H, W) can't be taken: the end of a sentence that begins with the model, or ""."""
        own = self.input_shape
        if tuple(shape[: len(own)]) == own:
            return ""
        if len(own) == 1:
            return f"takes {'grey' if own[0] == 1 else 'colour'} images, these have {shape[0]} channel(s)"
        return f"takes images of shape {own}, these have {tuple(shape)}"


def _short(value: float) -> str:
    if abs(value) > 1e12:
        return "a number of more than twelve digits"
    return f"{value:,}" if isinstance(value, int) or abs(value) >= 1000 else f"{value:g}"


def _hints(config: type) -> dict[str, Any]:
    hints = get_type_hints(config, include_extras=True)
    return {item.name: hints[item.name] for item in fields(config)}


def _nested(hint: Any) -> type | None:
    """The config that a field holds, if it holds one."""
    return hint if isinstance(hint, type) and is_dataclass(hint) else None
