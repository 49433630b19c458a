"""The tables of the home page: models and datasets."""

from __future__ import annotations

from sslviz import plots
from sslviz.data import catalog, images
from sslviz.errors import UserError
from sslviz.evaluation.baselines import baseline_title
from sslviz.methods.registry import METHODS
from sslviz.ui.selection import data_title, models


def model_rows() -> list[dict[str, str]]:
    """One row a model: what it is, what it was trained on, what came out on the test set."""
    rows = []
    for model in models():
        card = model.card or {}
        results = card.get("results", {})
        others = results.get("baselines", {})
        best = max(others, key=others.get) if others else None
        own = "imported, as its file claims" if card.get("imported") else "yours"
        rows.append(
            {
                "Model": model.name,
                "Method": METHODS[model.method].title,
                "Trained on": f"{data_title(model.dataset or model.dataset_name)}, {card.get('n_train', 0):,} images",
                "Linear probe": plots.percent(results["linear_probe"]) if "linear_probe" in results else "",
                "Best baseline": f"{plots.percent(others[best])} ({baseline_title(best)})" if best else "",
                "Negative ELBO": plots.nats(results["negative_elbo"]) if "negative_elbo" in results else "",
                "Training time": plots.seconds(60 * card["minutes"]) if "minutes" in card else "",
                "Here": "bundled" if model.bundled else own,
            }
        )
    return rows


def data_rows() -> list[dict[str, str]]:
    """One row a dataset: counts and source of the images in use."""
    rows = []
    for name, info in catalog.DATASETS.items():
        try:
            about = images.describe(name)
        except UserError as error:
            rows.append({"Dataset": info.title, "Training": "", "Test": "", "Source": str(error), "Licence": ""})
            continue
        rows.append(
            {
                "Dataset": info.title,
                "Training": f"{about.n_train:,}",
                "Test": f"{about.n_test:,}",
                "Source": about.source,
                "Licence": info.licence,
            }
        )
    return rows
