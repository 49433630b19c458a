"""The contrast page in a real browser: the matrix, the temperature, a row, points moved by hand; and its arithmetic."""

import base64
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from browsing import settle, visit

import sslviz.ui.contrast
from sslviz.data.images import load_images
from sslviz.evaluation import contrast
from sslviz.evaluation.pairs import draw_batch, embed_pairs
from sslviz.methods.losses import info_nce, nt_xent
from sslviz.methods.policies import policy_for
from sslviz.store import checkpoint

SCRIPT = Path(sslviz.ui.contrast.__file__).with_name("info_nce.js")
COMPUTE = """async ({script, batches}) => {
  const nce = await import("data:text/javascript;base64," + script)
  const plain = (values) => Array.from(values)
  return batches.map(({n, k, floats, row, temperature, anchor, others}) => {
    const batch = nce.readBatch(Float32Array.from(floats), n, k), found = {}
    for (const objective of ["nt_xent", "cross_view", "queue"]) {
      const all = nce.allCandidates(batch, objective), {columns, values} = all[row]
      found[objective] = {columns: plain(columns), values: plain(values), loss: nce.meanLoss(all, temperature),
        row: nce.rowLoss(values, temperature), p: plain(nce.probabilities(values, temperature)),
        shares: plain(nce.gradientShares(values, temperature)), largest: nce.largest(values.subarray(1), 3)}
    }
    return {...found, forces: nce.forces(anchor, others, temperature)}
  })
}"""


def test_the_browser_computes_what_python_does_on_a_thousand_random_matrices(page):
    rng, batches, asked = np.random.default_rng(0), [], []
    for _ in range(1000):
        n, k, dim = rng.integers(2, 7), rng.integers(0, 6), rng.integers(2, 6)
        z1, z2, k1, k2 = rng.normal(size=(4, n, dim))
        batch = contrast.cosines(z1, z2, keys=(k1, k2), queue=rng.normal(size=(k, dim)))
        floats = np.frombuffer(batch.as_floats(), "<f4").astype(float)  # what the browser is given
        size = 2 * n
        batch = contrast.Cosines(
            floats[: size**2].reshape(size, size),
            floats[size**2 : size**2 + size],
            floats[size**2 + size :].reshape(size, k),
        )
        others = contrast.unit(rng.normal(size=(n, dim)))
        asked.append((batch, int(rng.integers(size)), float(np.exp(rng.uniform(np.log(0.02), np.log(2)))), others))
        batches.append(
            {"n": int(n), "k": int(k), "floats": floats.tolist(), "row": asked[-1][1], "temperature": asked[-1][2],
             "anchor": others[0].tolist(), "others": others[1:].tolist()}
        )  # fmt: skip
    script = base64.b64encode(SCRIPT.read_bytes()).decode()
    answers = page.evaluate(COMPUTE, {"script": script, "batches": batches})
    assert len(answers) == 1000
    for (batch, row, temperature, others), answer in zip(asked, answers, strict=True):
        for objective in contrast.OBJECTIVES:
            found = answer[objective]
            columns, values = contrast.candidates(batch, objective, row)
            assert found["columns"] == columns.tolist()
            np.testing.assert_allclose(found["values"], values, atol=1e-12)
            np.testing.assert_allclose(found["p"], contrast.probabilities(values, temperature), atol=1e-12)
            np.testing.assert_allclose(found["shares"], contrast.gradient_shares(values, temperature), atol=1e-12)
            assert found["row"] == pytest.approx(contrast.row_loss(values, temperature), abs=1e-10)
            assert found["loss"] == pytest.approx(contrast.loss(batch, objective, temperature), abs=1e-10)
            assert found["largest"] == contrast.largest_negatives(values[None, 1:], 3)[0].tolist()
        np.testing.assert_allclose(answer["forces"], contrast.forces(others[0], others[1:], temperature), atol=1e-12)


def board(page, address, view, **more):
    """A view of the page, drawn."""
    query = "&".join(f"{key}={value}" for key, value in {"contrast_view": view, **more}.items())
    visit(page, f"{address}/contrastive?model=tiny-simclr&{query}")


def loss_of(page) -> float:
    return float(page.locator(".loss .number[data-loss]").get_attribute("data-loss"))


def z_of(models, n):
    """z of both views of the batch that the page opens with, computed here."""
    test = load_images("mnist", "test", bundled=True)
    ids = draw_batch(test.y.numpy(), n, seed=0)
    pairs = embed_pairs(checkpoint.load(models / "tiny-simclr"), test.x[ids], policy_for("mnist", 1), seed=0)
    return torch.from_numpy(pairs.z).double().chunk(2)


def test_the_temperature_is_dragged_without_a_message_and_the_losses_are_those_of_training(page, address, models):
    sent = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(frame)))
    board(page, address, "Matrix")
    z1, z2 = z_of(models, 16)
    slider = page.locator("input.temperature")
    assert loss_of(page) == pytest.approx(nt_xent(z1, z2, temperature=0.2).item(), abs=1e-5)
    box, before, read = slider.bounding_box(), len(sent), []
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    for part in (0.1, 0.35, 0.8):
        page.mouse.move(box["x"] + part * box["width"], box["y"] + box["height"] / 2, steps=4)
        temperature = float(page.locator(".heat .value").inner_text())
        read.append(temperature)
        assert loss_of(page) == pytest.approx(nt_xent(z1, z2, temperature=temperature).item(), abs=1e-5)
    assert len(set(read)) == 3 and len(sent) == before  # all of it in the browser
    page.mouse.up()
    page.wait_for_url(re.compile(rf"contrast_temperature={read[-1]:g}(&|$)"))
    settle(page)
    assert loss_of(page) == pytest.approx(nt_xent(z1, z2, temperature=read[-1]).item(), abs=1e-5)
    page.get_by_label("the other side").check()
    both = [info_nce(q, k, temperature=read[-1]).item() for q, k in ((z1, z2), (z2, z1))]
    assert loss_of(page) == pytest.approx(sum(both) / 2, abs=1e-5)
    page.wait_for_url(re.compile("contrast_objective=cross_view"))
    page.reload()
    settle(page)
    assert loss_of(page) == pytest.approx(sum(both) / 2, abs=1e-5)  # the address holds it


def test_a_row_and_a_temperature_are_chosen_by_keyboard_alone(page, address, models):
    board(page, address, "Matrix", contrast_row=3)
    inside = "() => { let e = document.activeElement; while (e?.shadowRoot) e = e.shadowRoot.activeElement; "
    inside += "return e?.className }"
    for _ in range(60):
        if page.evaluate(inside) == "matrix":
            break
        page.keyboard.press("Tab")
    assert page.evaluate(inside) == "matrix"
    words = page.locator(".anchor-words")
    before = words.inner_text()
    page.keyboard.press("ArrowDown")
    assert words.inner_text() != before and words.inner_text().startswith("view 1")
    page.keyboard.press("ArrowRight")
    assert words.inner_text().startswith("view 2")
    shares = [float(text.rstrip(" %").lstrip("< ")) for text in page.locator(".hardest .share").all_inner_texts()]
    assert len(shares) == 6 and shares == sorted(shares, reverse=True) and 0 < sum(shares) <= 100.5
    page.wait_for_url(re.compile(r"contrast_row=20(&|$)"))  # 4, and its other view
    settle(page)
    for _ in range(20):
        if page.evaluate(inside) == "temperature":
            break
        page.keyboard.press("Tab")
    assert page.evaluate(inside) == "temperature"
    page.keyboard.press("ArrowRight")
    temperature = float(page.locator(".heat .value").inner_text())
    assert temperature > 0.2
    assert loss_of(page) == pytest.approx(nt_xent(*z_of(models, 16), temperature=temperature).item(), abs=1e-5)
    page.wait_for_url(re.compile(rf"contrast_temperature={temperature:g}(&|$)"))
    settle(page)


def test_a_negative_is_dragged_nearer_and_takes_the_push(page, address):
    board(page, address, "Gradient")
    circle, losses = page.locator("canvas.circle").nth(1), page.locator(".panel .loss")
    circle.scroll_into_view_if_needed()
    before = [float(value) for value in losses.evaluate_all("all => all.map((e) => e.dataset.loss)")]
    box = circle.bounding_box()
    side, r = box["width"], box["width"] / 2 - 44

    def at(degrees):
        turn = np.deg2rad(degrees)
        return box["x"] + side / 2 + r * np.cos(turn), box["y"] + side / 2 + 26 - r * np.sin(turn)

    page.mouse.move(*at(190))
    page.mouse.down()
    page.mouse.move(*at(150), steps=3)
    page.mouse.move(*at(100), steps=5)
    page.mouse.up()
    page.wait_for_url(re.compile("contrast_angles="))
    settle(page)
    angles = [int(part) for part in re.search(r"contrast_angles=([\d%C]+)", page.url)[1].replace("%2C", ",").split(",")]
    assert angles[2] == pytest.approx(100, abs=2) and angles[:2] + angles[3:] == [50, 120, 260, 330]
    turned = np.deg2rad([90, *angles])
    z = torch.from_numpy(np.column_stack([np.cos(turned), np.sin(turned)]))
    after = [float(value) for value in losses.evaluate_all("all => all.map((e) => e.dataset.loss)")]
    for value, old, temperature in zip(after, before, (0.05, 0.2, 1.0), strict=True):
        expected = info_nce(z[:1], z[1:2], z[2:].T, temperature=temperature).item()
        assert value == pytest.approx(expected, abs=1e-5) and value > old
    assert "Negative 2 stands" in page.locator(".said").inner_text()
    circle.press("ArrowLeft")
    page.wait_for_url(re.compile(rf"contrast_angles=50%2C120%2C{angles[2] + 2}|contrast_angles=50,120,{angles[2] + 2}"))
    settle(page)
