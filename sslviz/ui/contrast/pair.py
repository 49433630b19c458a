"""Two views of one image, drawn as training draws them, with every transform as a switch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import streamlit as st

from sslviz import plots, ui
from sslviz.data.images import to_float
from sslviz.errors import UserError
from sslviz.methods.policies import ViewPolicy, check_blur, policy_for
from sslviz.methods.registry import DEFAULT, METHODS
from sslviz.ui.component import component
from sslviz.ui.contrast import source, switches

PAIRS = 6  # in the strip, of seeds that follow one another
MOST_SEED = 9999
LARGE, SMALL = source.SHEET, 96  # pixels that a picture is drawn with at the most; the small ones shrink to their place

_PAIR = component(__file__, "pair")


@dataclass(frozen=True, eq=False)
class Pair:
    """A pair of views and what was drawn for it.

    Attributes:
        x: the views (2, C, H, W) in [0, 1].
        seen: which pixels of the image each view shows (2, H, W) bool.
        factors: of brightness, contrast ... (2,) each; {} where no colour is changed.
        flipped: (2,) bool.
        sigma: of the blur (2,), pixels, 0 for none.
    """

    x: np.ndarray
    seen: np.ndarray
    factors: dict[str, np.ndarray]
    flipped: np.ndarray
    sigma: np.ndarray


def show(selection: ui.Selection) -> None:
    """Draw an image, the transforms, a pair of its views, and a strip of more; only this part runs again."""
    with st.container():
        _image(selection)


@st.fragment
def _image(selection: ui.Selection) -> None:
    """The choice of an image, and what is made of it."""
    with ui.plain_errors():
        shown = source.choose(selection)
        with st.container():
            _lab(selection, shown)


@st.fragment
def _lab(selection: ui.Selection, shown: source.Shown) -> None:
    """What a switch, a strength, a seed or a stroke changes, and nothing that they do not."""
    with ui.plain_errors():
        shown = source.now(shown)
        policy = policy_for(selection.data, shown.x.shape[0])
        with source.beside_sheet(shown):
            policy, seed = _pair(selection, shown, policy)
        _foldouts(selection, shown, policy, seed)


def _pair(selection: ui.Selection, shown: source.Shown, base: ViewPolicy) -> tuple[ViewPolicy, int]:
    """Draw the component: transforms, pictures and what is to be seen in them; returns the policy and the seed."""
    channels = shown.x.shape[0]
    seed = int(ui.bound("contrast_seed", 0, between=(0, MOST_SEED)))
    text = ui.bound("contrast_views", "", parse=switches.checked)
    changes = switches.read_changes(text)
    policy = within(switches.apply(base, changes, channels), shown.x.shape)

    def asked() -> None:
        told = st.session_state.contrast_pair.get("asked")
        if isinstance(told, dict):
            answer(told, base, channels)

    pairs = draw(shown.x, policy, [(seed + i) % (MOST_SEED + 1) for i in range(PAIRS)])
    h = represent(selection, shown, policy, seed)
    picture = [] if shown.kind == source.DRAWN else [to_float(shown.x[None]).numpy()]
    sheet, tiles = _sheet(picture + [pair.x for pair in pairs])
    names = ["view 1", "view 2"] if not picture else [f"x, {shown.name}", "view 1", "view 2"]
    first = len(tiles) - 2 * PAIRS
    large = [
        tile | {"label": f"{name}, {tile['width']} × {tile['height']}", "grown": _grown(tile, LARGE)}
        for name, tile in zip(names, tiles, strict=False)
    ]
    strip = [tile | {"grown": _grown(tile, SMALL), "label": "a view"} for tile in tiles[first:]]
    _PAIR(
        key="contrast_pair",
        data={
            "rows": switches.rows(base, changes, channels),
            "changed": bool(changes),
            "seed": seed,
            "mostSeed": MOST_SEED,
            "turn": st.session_state.get("contrast_turn", 0),
            "sheet": sheet,
            "large": large,
            "pairs": [{"seed": (seed + i) % (MOST_SEED + 1), "tiles": strip[2 * i : 2 * i + 2]} for i in range(PAIRS)],
            "told": [sentence for sentence in (shown.note, *tell(shown, pairs[0]), say_h(selection, h)) if sentence],
        },
        on_asked_change=asked,
    )
    return policy, seed


def answer(told: dict[str, Any], base: ViewPolicy, channels: int) -> None:
    """Take over what the browser asks for: `views` {field: [on, strength]}, `seed`, `reset`; what can't be is left."""
    state = st.session_state
    changes = {} if told.get("reset") else switches.read_changes(state.get("contrast_views", ""))
    if isinstance(views := told.get("views"), dict):
        changes = switches.changed(base, changes, views, channels)
    state.contrast_views = switches.write_changes(changes)
    seed, turn = told.get("seed"), told.get("turn")
    if isinstance(seed, int) and 0 <= seed <= MOST_SEED:
        state.contrast_seed = seed
    if isinstance(turn, int):
        state.contrast_turn = turn


def within(policy: ViewPolicy, shape: tuple[int, ...]) -> ViewPolicy:
    """The policy; where its blur does not fit into views of these images, with the widest that does."""
    side = policy.size or min(shape[1:])
    try:
        check_blur(policy, side=side)
    except UserError:
        return replace(policy, blur_sigma=max(0.1, (side - 1) // 2))
    return policy


def _foldouts(selection: ui.Selection, shown: source.Shown, policy: ViewPolicy, seed: int) -> None:
    """How the views are made, and the command that trains with them."""
    method = selection.method if METHODS[selection.method].views else DEFAULT
    base = policy_for(selection.data, shown.x.shape[0])  # what the command takes where it is told nothing
    words = [
        f"--views.{field.name.replace('_', '-')} {getattr(policy, field.name):g}"
        for field in fields(policy)
        if field.name in switches.BY_FIELD and getattr(policy, field.name) != getattr(base, field.name)
    ]
    row = shown.row if shown.row is not None else 0
    options = ", ".join(
        f"{f.name}={getattr(policy, f.name)!r}" for f in fields(policy) if getattr(policy, f.name) != f.default
    )
    ui.foldouts(
        latex=r"x_1 = t_1(x), \quad x_2 = t_2(x), \qquad t_1, t_2 \sim \mathcal{T}",
        symbols={
            r"\mathcal{T}": ("the transforms and how strong each is", "ViewPolicy"),
            "t_1, t_2": ("drawn anew for every image at every step", "views.draw_views(x, policy, generator=...)"),
            "x_1, x_2": ("a positive pair", "views.two_views(x, policy, generator=...)"),
        },
        source="sslviz.methods.views:draw_views",
        command=" ".join([f"sslviz train {method} {selection.data}", *words]),
        script=f"""import torch

from sslviz import load_images
from sslviz.data.images import to_float
from sslviz.methods.policies import ViewPolicy
from sslviz.methods.views import two_views

x = to_float(load_images("{selection.data}", "test", bundled=True).x[{row}:{row + 1}])
policy = ViewPolicy({options})
x1, x2 = two_views(x, policy, generator=torch.Generator().manual_seed({seed}))""",
        way=(
            f"An image x, {' × '.join(map(str, shown.x.shape))}, and a seed.",
            "Twice: crop, turn, shift and shear by one resampling; light and colour by one matrix; blur.",
            "Two views that a contrastive method is to bring together: what differs between them is what h may forget.",
        ),
    )  # fmt: skip


# what is drawn --------------------------------------------------------------------------------------------------------


def draw(x: np.ndarray, policy: ViewPolicy, seeds: Sequence[int]) -> list[Pair]:
    """The two views that `methods.views.two_views` draws of an image (C, H, W) uint8 from each seed."""
    import torch

    from sslviz.methods.views import join_drawn, make_views, seen_pixels

    batch = to_float(x[None])
    drawn = join_drawn([view for seed in seeds for view in _drawn(batch, policy, seed)])  # of 2 views a seed
    views = make_views(batch.expand(2 * len(seeds), -1, -1, -1), policy, drawn).numpy()
    seen = seen_pixels(drawn.theta, *x.shape[1:]).numpy()
    flipped = (torch.linalg.det(drawn.theta[:, :, :2]) < 0).numpy()
    factors = {name: value.numpy() for name, value in (drawn.factors or {}).items()}
    sigma = np.zeros(2 * len(seeds))
    if drawn.blurred is not None and drawn.sigma is not None:
        sigma[drawn.blurred.numpy()] = drawn.sigma[drawn.blurred].numpy()
    pairs = []
    for part in (slice(2 * i, 2 * i + 2) for i in range(len(seeds))):
        own = {name: value[part] for name, value in factors.items()}
        pairs.append(Pair(views[part], seen[part], own, flipped[part], sigma[part]))
    return pairs


def _drawn(batch: Any, policy: ViewPolicy, seed: int) -> tuple[Any, Any]:
    """What is drawn for both views of a batch of one image (1, C, H, W), one after the other."""
    import torch

    from sslviz.methods.views import draw_views

    generator = torch.Generator().manual_seed(seed)
    return draw_views(batch, policy, generator=generator), draw_views(batch, policy, generator=generator)


def represent(selection: ui.Selection, shown: source.Shown, policy: ViewPolicy, seed: int) -> np.ndarray:
    """h (3, D) of an image and its two views; a method that is trained on whole images sees views of their size."""
    from sslviz.evaluation.embedding import encode
    from sslviz.methods.views import join_drawn, make_views

    batch = to_float(shown.x[None])
    drawn = join_drawn(_drawn(batch, policy, seed))
    size = policy.size if METHODS[selection.method].views else 0
    model = ui.load_model(selection)
    views = make_views(batch.expand(2, -1, -1, -1), policy, drawn, size=size)
    return np.concatenate([_h_of(selection.name, model, shown.digest, shown.x), encode(model, views)])


@st.cache_resource(max_entries=32, show_spinner=False)
def _h_of(name: str, _model: Any, digest: str, _x: np.ndarray) -> np.ndarray:
    """h (1, D) of an image."""
    from sslviz.evaluation.embedding import encode

    return encode(_model, _x[None])


# what is said of it ---------------------------------------------------------------------------------------------------


def tell(shown: source.Shown, pair: Pair) -> list[str]:
    """Sentences about a pair: what its views keep of the image, and what was done to them."""
    if shown.empty:
        return ["Nothing is drawn yet: draw a sign on the sheet, and its views follow."]
    one, two = (float(part.mean()) for part in pair.seen)
    both, either = (float(op(*pair.seen).mean()) for op in (np.logical_and, np.logical_or))
    kept = f"View 1 shows {one:.0%} of the image, view 2 {two:.0%}; {both:.0%} is in both"
    sentences = [kept + (f", {1 - either:.0%} in neither." if either < 0.995 else ".")]
    sentences += [what for what in (_which(pair.flipped, "flipped"), *_light(pair), _blurs(pair)) if what]
    return [" ".join(sentences).replace("%", " %")]


def _which(chosen: np.ndarray, what: str) -> str:
    """ "View 2 is grey.", or "" for none."""
    if not chosen.any():
        return ""
    return f"Both views are {what}." if chosen.all() else f"View {1 + int(chosen[1])} is {what}."


def _light(pair: Pair) -> list[str]:
    """What was done to light and colour; of a grey view neither saturation nor hue is told."""
    factors = pair.factors
    grey = factors.get("saturation", np.ones(2)) == 0
    names = ["brightness", "contrast"] + ["saturation"] * (not grey.any())
    told = [
        f"{name} × {factors[name][0]:.2f} and × {factors[name][1]:.2f}"
        for name in names
        if name in factors and not (factors[name] == 1).all()
    ]
    if "hue" in factors and factors["hue"].any() and not grey.any():
        turns = [f"{value:+.2f}".replace("-", "−") for value in factors["hue"]]
        told.append(f"hue turned by {turns[0]} and {turns[1]}")
    text = ", ".join(told)
    return [f"{text[0].upper()}{text[1:]}." if text else "", _which(grey, "grey")]


def _blurs(pair: Pair) -> str:
    told = [f"view {i + 1} with σ {value:.1f} px" for i, value in enumerate(pair.sigma) if value]
    return f"Blurred: {' and '.join(told)}." if told else ""


def say_h(selection: ui.Selection, h: np.ndarray) -> str:
    """The cosines of h of a pair, h (3, D) of image and views; "" where one is 0."""
    length = np.linalg.norm(h, axis=1)
    if not length.all():
        return ""
    unit = h / length[:, None]
    cosine = [f"{value:.2f}".replace("-", "−") for value in (unit[1] @ unit[2], unit[0] @ unit[1], unit[0] @ unit[2])]
    return (
        f"To {selection.model} the cosine of h of the two views is {cosine[0]}; of view 1 with the image it is "
        f"{cosine[1]}, of view 2 {cosine[2]}."
    )


# pictures -------------------------------------------------------------------------------------------------------------


def _sheet(parts: list[np.ndarray]) -> tuple[str, list[dict[str, int]]]:
    """Images (n, C, H, W) of several sizes side by side as one PNG's data address, and where each lies in it."""
    images = [image for part in parts for image in plots.pixels(part)]  # (H, W, 3) each
    sheet = np.zeros((max(len(image) for image in images), sum(image.shape[1] for image in images), 3), np.uint8)
    tiles, left = [], 0
    for image in images:
        height, width = image.shape[:2]
        sheet[:height, left : left + width] = image
        tiles.append({"left": left, "top": 0, "width": width, "height": height})
        left += width
    return plots.data_uri(sheet), tiles


def _grown(tile: dict[str, int], most: int) -> int:
    """Whole factor by which a tile's pixels grow to take `most` pixels of the page at the most."""
    return max(1, most // max(tile["width"], tile["height"]))
