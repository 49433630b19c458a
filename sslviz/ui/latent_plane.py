"""The latent plane of a two-dimensional VAE, decoded in the browser under the pointer."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from sslviz import plots
from sslviz.ui.selection import Scene
from sslviz.ui.stored import decode, load_model, posterior, test_images

_PLANE = st.components.v2.component(
    "sslviz_plane",
    html="""<div class="plane">
  <canvas class="map" tabindex="0" role="application"></canvas>
  <div class="side">
    <canvas class="tile" role="img"></canvas>
    <div class="words" aria-live="polite"></div>
    <label><input type="checkbox" class="grid" checked> decoded images</label>
    <label><input type="checkbox" class="dots" checked> test images</label>
  </div>
</div>
""",
    css="""
.plane { display: flex; gap: 24px; align-items: flex-start; font: 1rem/1.5 var(--st-font);
  color: var(--st-text-color); }
.map { touch-action: none; cursor: crosshair; border-radius: 3px; flex: 0 1 520px; width: 0; aspect-ratio: 1; }
.map:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 2px; }
.side { display: flex; flex-direction: column; gap: 6px; flex: 0 1 336px; min-width: 130px; }
.tile { image-rendering: pixelated; border: 1px solid var(--st-border-color); width: 100%; box-sizing: border-box; }
.words { font-variant-numeric: tabular-nums; font-size: 1.1rem; }
""",
    js="""
const places = new WeakMap(), watchers = new WeakMap()
export default function ({ data, parentElement }) {
  const find = (name) => parentElement.querySelector("." + name)
  const map = find("map"), tile = find("tile"), words = find("words"), grid = find("grid"), dots = find("dots")
  const ratio = window.devicePixelRatio || 1, { reach, count, width, height, scale } = data
  const ink = getComputedStyle(map).color
  let side = 0
  map.setAttribute("aria-label", data.label)
  tile.width = width * scale
  tile.height = height * scale
  const toPixel = (v) => (v / reach / 2 + 0.5) * side
  const behind = document.createElement("canvas")
  const sprite = new Image()
  let at = places.get(parentElement) || data.start

  function paintBehind() {
    const pen = behind.getContext("2d")
    pen.clearRect(0, 0, side, side)
    if (grid.checked) {
      pen.globalAlpha = 1
      pen.fillStyle = "#000"
      pen.fillRect(0, 0, side, side)
      pen.globalAlpha = dots.checked ? 0.5 : 1
      pen.drawImage(sprite, 0, 0, side, side)
    }
    pen.globalAlpha = 0.85
    if (dots.checked) {
      data.xs.forEach((x, i) => {
        pen.fillStyle = data.palette[data.ys[i] % data.palette.length]
        pen.beginPath()
        pen.arc(toPixel(x), side - toPixel(data.zs[i]), 2.2 * ratio, 0, 7)
        pen.fill()
      })
      pen.globalAlpha = 1
      pen.font = `bold ${15 * ratio}px ${getComputedStyle(map).fontFamily}`
      pen.textAlign = "center"
      pen.textBaseline = "middle"
      for (const { x, y, name, colour } of data.names) {
        const w = pen.measureText(name).width + 10 * ratio, h = 22 * ratio
        pen.fillStyle = "rgba(255, 255, 255, 0.92)"
        pen.strokeStyle = colour
        pen.lineWidth = 2 * ratio
        pen.beginPath()
        pen.rect(toPixel(x) - w / 2, side - toPixel(y) - h / 2, w, h)
        pen.fill()
        pen.stroke()
        pen.fillStyle = "#111"
        pen.fillText(name, toPixel(x), side - toPixel(y) + ratio)
      }
    }
  }
  const lines = () => (grid.checked ? "#fff" : ink)
  function paintPrior(pen) {
    pen.strokeStyle = pen.fillStyle = lines()
    pen.lineWidth = 1.5 * ratio
    pen.setLineDash([6 * ratio, 5 * ratio])
    pen.beginPath()
    pen.arc(side / 2, side / 2, data.prior / reach / 2 * side, 0, 7)
    pen.stroke()
    pen.setLineDash([])
    pen.font = `${14 * ratio}px ${getComputedStyle(map).fontFamily}`
    pen.textAlign = "right"
    pen.textBaseline = "bottom"
    pen.fillText("z\u2080 \u2192", side - 8 * ratio, side - 6 * ratio)
    pen.textAlign = "left"
    pen.textBaseline = "top"
    pen.fillText("\u2191 z\u2081", 8 * ratio, 8 * ratio)
  }
  function paint() {
    places.set(parentElement, at)
    const pen = map.getContext("2d"), [x, y] = at
    pen.clearRect(0, 0, side, side)
    pen.drawImage(behind, 0, 0)
    paintPrior(pen)
    pen.globalAlpha = 0.8
    pen.beginPath()
    pen.moveTo(toPixel(x), 0); pen.lineTo(toPixel(x), side)
    pen.moveTo(0, side - toPixel(y)); pen.lineTo(side, side - toPixel(y))
    pen.stroke()
    pen.globalAlpha = 1
    const cell = (v) => Math.min(count - 1, Math.max(0, Math.floor((v / reach / 2 + 0.5) * count)))
    const show = tile.getContext("2d")
    show.imageSmoothingEnabled = false
    const left = cell(x) * width, top = (count - 1 - cell(y)) * height
    show.drawImage(sprite, left, top, width, height, 0, 0, tile.width, tile.height)
    const sign = (v) => (v < 0 ? "\\u2212" : "\\u2007") + Math.abs(v).toFixed(2)
    words.textContent = `z = (${sign(x)}, ${sign(y)})`
    tile.setAttribute("aria-label", `Decoded image at ${words.textContent}`)
  }
  const go = (x, y) => { at = [x, y].map((v) => Math.min(reach, Math.max(-reach, v))); paint() }
  map.onpointermove = map.onpointerdown = (event) => {
    const box = map.getBoundingClientRect()
    const across = (event.clientX - box.left) / box.width, down = (event.clientY - box.top) / box.height
    go((across * 2 - 1) * reach, (1 - down * 2) * reach)
  }
  map.onkeydown = (event) => {
    const step = 2 * reach / count
    const move = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] }[event.key]
    if (move) { event.preventDefault(); go(at[0] + move[0], at[1] + move[1]) }
  }
  grid.onchange = dots.onchange = () => { paintBehind(); paint() }
  function fit() {
    side = Math.max(1, map.clientWidth) * ratio
    map.width = map.height = behind.width = behind.height = side
    paintBehind()
    paint()
  }
  watchers.get(parentElement)?.disconnect()
  const watcher = new ResizeObserver(fit)
  watchers.set(parentElement, watcher)
  sprite.onload = () => watcher.observe(map)
  sprite.src = data.sprite
  return () => watcher.disconnect()
}
""",
)


def plane(scene: Scene, *, key: str) -> float:
    """Show the latent space of a two-dimensional VAE, decoded under the pointer without a message to the server.

    Args:
        scene: its model has two latent dimensions.
        key: unique on the page.

    Returns:
        the radius of the circle that is drawn: it holds 99 % of the prior.
    """
    sent = _plane_data(scene.model, scene.data, load_model(scene), posterior(scene).mu)
    _PLANE(key=key, data=sent)
    return sent["prior"]


PLANE_TILES, PLANE_DOTS = 33, 3000  # decoded images along a side; test images drawn


@st.cache_resource(max_entries=4, show_spinner=False)
def _plane_data(name: str, dataset: str, _model: Any, _mu: np.ndarray) -> dict[str, Any]:
    images = test_images(dataset)
    reach = float(np.ceil(np.quantile(np.abs(_mu), 0.995) * 2) / 2)  # in prior standard deviations
    ticks = (np.arange(PLANE_TILES) + 0.5) / PLANE_TILES * 2 * reach - reach
    grid = np.stack(np.meshgrid(ticks, ticks[::-1]), axis=-1).reshape(-1, 2)  # row by row from the top left
    tiles = decode(_model, grid)
    height, width = tiles.shape[2:]
    mu, y = _mu[:PLANE_DOTS], images.y[:PLANE_DOTS]
    anchors = plots.spread(plots.class_anchors(mu, y, len(images.class_names)), 0.1 * reach)
    return {
        "sprite": plots.data_uri(plots.mosaic(tiles, columns=PLANE_TILES, gap=0)[..., :3]),
        "count": PLANE_TILES,
        "width": width,
        "height": height,
        "scale": 336 // width,
        "reach": reach,
        "start": [0.0, 0.0],
        "prior": float(np.sqrt(-2 * np.log(0.01))),
        "xs": np.round(mu[:, 0].astype(float), 2).tolist(),
        "zs": np.round(mu[:, 1].astype(float), 2).tolist(),
        "ys": y.tolist(),
        "palette": list(plots.PETROFF),
        "names": [
            {"x": float(a), "y": float(b), "name": images.class_names[i], "colour": plots.class_colour(i)}
            for i, (a, b) in enumerate(anchors)
            if np.isfinite(a)
        ],
        "label": "Latent plane; move with the arrow keys",
    }
