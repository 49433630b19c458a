"""Figures for the page of revision that nobody computed: each number is another one, so that a test can follow it."""

import copy
import string

import numpy as np

from sslviz.bundled.review import SUBJECTS
from sslviz.data.packing import pack

PIXELS = {"kind": "images", "x": pack(np.arange(4 * 16, dtype=np.uint8).reshape(4, 1, 4, 4)), "columns": 2}
PICTURES = {
    "input": PIXELS,
    "process": {"kind": "matrix", "values": [[1.0, -0.2], [0.1, 0.9]]},
    "outcome": {"kind": "bars", "labels": ["<b>", "ocean"], "values": [0.7, 0.1]},
    "wrong": {"kind": "curve", "title": "k", "curves": [{"name": "with", "x": [0, 9], "y": [0.5, 0.25]}]},
}
NUMBERS = {"gain": 0.21, "leak": 0.93, "own": 0.47, "shift": [0.31, 0.02], "knns": [0.79, 0.94, 0.84], "classes": 13}
NUMBERS |= {"apart_by": [0.01, 0.07]}
NUMBERS |= {"kinds": {"follows": 0.83, "another": 0.71, "swapped": 0.29}}


def figures(factor=1):
    """Figures of all subjects: each number is another one, by a factor."""
    subjects = {}
    for number, each in enumerate(SUBJECTS):
        names = {name for text in each.captions.values() for _, name, *_ in string.Formatter().parse(text) if name}
        values = {name: factor * (number + 17 + place) for place, name in enumerate(sorted(names))}
        row = {"pretext": f"{factor * 31}", "transfer": f"{factor * 37}", "baseline": f"{factor * 41}", "protocol": "p"}
        subjects[each.key] = {
            "missing": "", "model": "m", "values": values | NUMBERS | {"row": row}, "pictures": copy.deepcopy(PICTURES),
        }  # fmt: skip
    rows = [{"key": key, "model": "m"} | found["values"]["row"] for key, found in subjects.items()]
    few = {"one": factor * 0.013, "other": factor * 0.019}
    return {
        "subjects": subjects, "rows": rows, "few": few, "few_labels": factor * 23, "few_draws": factor * 29,
        "interval": "95 %",
    }  # fmt: skip
