"""What several encoders make of one picture: their probes' answers and its neighbours, in a helper process."""

from __future__ import annotations

from typing import Any

import numpy as np

from sslviz.jobs.worker import Telling

NEIGHBOURS = 6


def classify(x: np.ndarray, dataset: str, names: list[str], report: Telling) -> dict[str, Any]:
    """Encode a picture with every row of the stored table that has a probe, and ask that probe.

    Args:
        x: the picture (C, H, W) uint8, of the dataset's shape.
        dataset: whose table and bundled test images.
        names: of rows with a stored probe.
        report: told whose turn it is, and what there is so far.

    Returns:
        `names` of the rows that could be asked; `p` (E, K), probabilities; `neighbours` (E, N), rows of bundled test
        images, nearest first, -1 where h of these is not stored.
    """
    import torch

    from sslviz.data.images import load_arrays, to_float
    from sslviz.errors import UserError
    from sslviz.evaluation import evidence
    from sslviz.evaluation.baselines import make_baselines
    from sslviz.evaluation.embedding import encode
    from sslviz.evaluation.neighbours import neighbours
    from sslviz.evaluation.protocol import metric_of
    from sslviz.store import checkpoint, embeddings

    infos = {info.name: info for info in checkpoint.list_models("image") if info.dataset == dataset}
    found = evidence.load_with_own(dataset, [info.path for info in infos.values() if not info.bundled])
    if found is None:
        raise UserError("No table of evidence is stored for these images: run `sslviz evidence` first.")
    image = to_float(np.ascontiguousarray(x)[None])
    asked: list[str] = []
    p, near = [], []
    for number, name in enumerate(names):
        report(f"asking {name}", number / len(names))
        reader = found.part(name).reader
        if reader is None or not (name in infos or name == "pixels"):
            continue
        encoder: Any = checkpoint.load(infos[name].path) if name in infos else make_baselines(None, names=(name,))[name]
        h = encode(encoder, image)
        if name in infos:
            stored = embeddings.load_embeddings(infos[name].path)
            bank = stored["h"] if stored else None
        else:
            images, _ = load_arrays(dataset, "test", bundled=True)
            bank = encode(encoder, torch.from_numpy(np.ascontiguousarray(images)))
        ids = np.full(NEIGHBOURS, -1)
        if bank is not None and len(bank) >= NEIGHBOURS:
            joined = np.concatenate([bank, h.astype(bank.dtype)])
            ids = np.asarray(neighbours(joined, len(bank), NEIGHBOURS, metric=metric_of(encoder))[0])
        asked.append(name)
        p.append(reader.probabilities(h)[0])
        near.append(ids)
        report.found({"names": list(asked), "p": np.array(p), "neighbours": np.array(near)})
    return {"names": asked, "p": np.array(p), "neighbours": np.array(near)}
