"""The transforms of a view policy as switches with strengths, and how what was changed is written in an address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from sslviz.methods.policies import ViewPolicy


class Switch(NamedTuple):
    """One number of a policy as it is shown.

    Attributes:
        field: of `ViewPolicy`.
        label: in words.
        unit: "%" for shares, "°", "px", "turns" or "×".
        low, high, step: of its strength.
        off: the value at which the transform does nothing; None where it has no switch of its own.
        start: strength that it has when it is switched on and the policy names none.
        part_of: the switch without which it does nothing, "" for none.
        colour: whether it is for colour images only.
    """

    field: str
    label: str
    unit: str
    low: float
    high: float
    step: float
    off: float | None
    start: float
    part_of: str = ""
    colour: bool = False


SWITCHES = (
    Switch("crop", "Crop, area from", "%", 0.05, 0.95, 0.05, 1.0, 0.2),
    Switch("ratio", "stretch to", "×", 1.0, 3.0, 0.05, None, 4 / 3, part_of="crop"),
    Switch("flip", "Flip, chance", "%", 0.05, 1.0, 0.05, 0.0, 0.5),
    Switch("rotate", "Rotate ±", "°", 5.0, 180.0, 5.0, 0.0, 15.0),
    Switch("translate", "Shift ±", "%", 0.05, 0.5, 0.05, 0.0, 0.1),
    Switch("shear", "Shear ±", "°", 5.0, 60.0, 5.0, 0.0, 15.0),
    Switch("jitter", "Jitter, chance", "%", 0.05, 1.0, 0.05, 0.0, 0.8),
    Switch("brightness", "brightness ±", "%", 0.05, 1.0, 0.05, 0.0, 0.4, part_of="jitter"),
    Switch("contrast", "contrast ±", "%", 0.05, 1.0, 0.05, 0.0, 0.4, part_of="jitter"),
    Switch("saturation", "saturation ±", "%", 0.05, 1.0, 0.05, 0.0, 0.4, part_of="jitter", colour=True),
    Switch("hue", "hue ±", "turns", 0.01, 0.5, 0.01, 0.0, 0.1, part_of="jitter", colour=True),
    Switch("grey", "Grey, chance", "%", 0.05, 1.0, 0.05, 0.0, 0.2, colour=True),
    Switch("blur", "Blur, chance", "%", 0.05, 1.0, 0.05, 0.0, 0.3),
    Switch("blur_sigma", "width σ to", "px", 0.2, 4.0, 0.1, None, 1.0, part_of="blur"),
)
BY_FIELD = {switch.field: switch for switch in SWITCHES}

Changes = dict[str, tuple[bool, float]]  # what differs from the policy: field -> whether it is on, its strength


def read_changes(text: str) -> Changes:
    """What "crop=0.3,-blur=0.5" says: a minus is a switch that is off.

    Raises:
        ValueError: an unknown transform, or a strength that it can't have.
    """
    found: Changes = {}
    for part in filter(None, text.split(",")):
        name, _, number = part.partition("=")
        field = name.removeprefix("-")
        if field not in BY_FIELD or field in found:
            raise ValueError(part)
        found[field] = (not name.startswith("-"), _within(BY_FIELD[field], float(number)))
    return found


def write_changes(changes: Changes) -> str:
    """The inverse of `read_changes`."""
    return ",".join(f"{'' if on else '-'}{field}={value:.4g}" for field, (on, value) in changes.items())


def checked(text: str) -> str:
    """A text of changes as `write_changes` would write it.

    Raises:
        ValueError: as `read_changes`.
    """
    return write_changes(read_changes(text))


def settings(policy: ViewPolicy, changes: Mapping[str, tuple[bool, float]], channels: int) -> Changes:
    """Of each switch that images with so many channels have: whether it is on, and its strength."""
    found: Changes = {}
    for switch in SWITCHES:
        if not switch.colour or channels == 3:
            value = getattr(policy, switch.field)
            on = value != switch.off
            found[switch.field] = changes.get(switch.field, (on, value if on else switch.start))
    return found


def changed(
    policy: ViewPolicy, changes: Mapping[str, tuple[bool, float]], told: Mapping[str, Any], channels: int
) -> Changes:
    """Changes after what a browser told: field -> [on, strength]; what can't be is left out.

    What is as the policy has it counts as no change.
    """
    found = dict(changes)
    for field, value in told.items():
        if (switch := BY_FIELD.get(field)) is None:
            continue
        try:
            on, strength = bool(value[0]) or switch.off is None, _within(switch, float(value[1]))
        except (ValueError, TypeError, LookupError):
            continue
        found[field] = (on, float(f"{strength:.4g}"))
    own = settings(policy, {}, channels)
    return {field: value for field, value in found.items() if field not in own or value != own[field]}


def apply(policy: ViewPolicy, changes: Mapping[str, tuple[bool, float]], channels: int) -> ViewPolicy:
    """The policy with its changes."""
    values: dict[str, Any] = {
        field: strength if on else BY_FIELD[field].off for field, (on, strength) in changes.items() if field in
        settings(policy, {}, channels)
    }  # fmt: skip
    return replace(policy, **values)


def rows(policy: ViewPolicy, changes: Mapping[str, tuple[bool, float]], channels: int) -> list[dict[str, Any]]:
    """What the browser draws: a row a switch."""
    now = settings(policy, changes, channels)
    return [
        {
            "field": field, "label": switch.label, "unit": switch.unit, "low": switch.low, "high": switch.high,
            "step": switch.step, "switch": switch.off is not None, "on": on, "value": strength,
            "part": bool(switch.part_of), "idle": bool(switch.part_of) and not now[switch.part_of][0],
        }
        for field, (on, strength) in now.items()
        for switch in [BY_FIELD[field]]
    ]  # fmt: skip


def _within(switch: Switch, value: float) -> float:
    if not switch.low <= value <= switch.high:
        raise ValueError(value)
    return value
