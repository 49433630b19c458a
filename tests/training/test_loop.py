"""The loop: budgets, resumption after a kill, processes, and what goes wrong."""

import dataclasses
import json
import math
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tinytext
import torch
from tinyruns import MODELS, tiny

from sslviz import cli
from sslviz.errors import UserError
from sslviz.language import begin
from sslviz.language import model as language
from sslviz.language.evaluation import evaluate_masked, pseudo_perplexity
from sslviz.language.model import MaskedLMConfig
from sslviz.methods.losses import nt_xent
from sslviz.methods.simclr import SimCLR
from sslviz.store import checkpoint
from sslviz.training import monitor, progress
from sslviz.training.config import command_for, config_for
from sslviz.training.loop import fit
from sslviz.training.state import STATE


@pytest.fixture(scope="module")
def data(own_digits):
    return own_digits(500, 100)


def losses(events):
    return [e.losses["loss"] for e in events if e.event == "step"]


@pytest.mark.parametrize("method", MODELS)
def test_a_run_tells_its_story_and_leaves_a_model(method, data, tmp_path):
    events = list(fit(tiny(method, data, tmp_path / "m", steps=12)))
    assert [events[0].event, events[-1].event] == ["start", "done"]
    assert [e.step for e in events if e.event == "step"] == list(range(1, 13))
    assert sum(e.event == "monitor" for e in events) == 1
    assert all(math.isfinite(value) for e in events for value in getattr(e, "losses", {}).values())
    assert events[-1].images == 12 * 32
    assert events[-1].progress == 1
    json.dumps([e.as_dict() for e in events])
    folder = Path(events[-1].path)
    model = checkpoint.load(folder)
    assert not model.training
    assert model.method == method
    card = checkpoint.load_card(folder)
    assert card["seed"] == 0 and card["steps"] == 12 and card["command"].startswith(f"sslviz train {method} ")
    assert card["source"] and card["git_revision"] and card["versions"]["torch"] == torch.__version__
    assert not (folder / STATE).exists()
    assert not (folder / "history").exists()


def test_earlier_weights_are_kept_where_asked_for(data, tmp_path):
    list(fit(tiny("simclr", data, tmp_path / "m", steps=20, history=True)))
    kept = sorted(path.stem for path in (tmp_path / "m" / "history").iterdir())
    assert kept == ["step-000001", "step-000002", "step-000006"]


@pytest.mark.parametrize("method", ["vae", *(pytest.param(key, marks=pytest.mark.slow) for key in ("simclr", "moco"))])
def test_it_learns(method, data, tmp_path):
    found = losses(fit(tiny(method, data, tmp_path / "m", steps=60, batch_size=64, lr=5e-3)))
    start = {"moco": 10}.get(method, 0)  # MoCo's queue is random at first, which is easy
    assert np.mean(found[-5:]) < np.mean(found[start : start + 5]) - 0.1


@pytest.mark.parametrize("method", MODELS)
def test_the_same_seed_gives_the_same_run(method, data, tmp_path):
    first, again, other = (
        losses(fit(tiny(method, data, tmp_path / str(i), steps=4, seed=seed))) for i, seed in enumerate((0, 0, 1))
    )
    assert first == again
    assert first != other


@pytest.mark.parametrize(("budget", "steps"), [({"epochs": 1.0}, 15), ({"steps": 7, "epochs": 1.0}, 7)])
def test_the_first_budget_reached_ends_the_run(budget, steps, data, tmp_path):
    last = list(fit(tiny("vae", data, tmp_path / "m", **budget)))[-1]
    assert last.step == steps


def test_minutes_are_a_budget_and_the_schedule_follows_it(data, tmp_path):
    began = time.perf_counter()
    events = [e for e in fit(tiny("vae", data, tmp_path / "m", minutes=0.01)) if e.event == "step"]
    assert 0.6 <= events[-1].seconds < 3
    assert time.perf_counter() - began < 60
    rates = [e.lr for e in events]
    assert rates[-1] < 0.05 * max(rates)
    assert rates.index(max(rates)) < len(rates) / 2


@pytest.mark.parametrize("method", MODELS)
def test_a_stopped_run_goes_on_as_if_nothing_had_happened(method, data, tmp_path):
    whole = losses(fit(tiny(method, data, tmp_path / "whole", steps=10)))
    half = tiny(method, data, tmp_path / "half", steps=10)
    run = fit(half)
    first = []
    for event in run:
        if event.event == "step":
            first.append(event.losses["loss"])
        if len(first) == 6:
            run.close()
            break
    assert not (half.out / checkpoint.WEIGHTS).exists()
    second = losses(fit(dataclasses.replace(half, resume=True)))
    np.testing.assert_allclose(first + second, whole, atol=1e-5)
    a, b = (checkpoint.load(tmp_path / name).state_dict() for name in ("whole", "half"))
    for key in a:
        torch.testing.assert_close(a[key], b[key], atol=1e-5, rtol=0)


@pytest.mark.slow
def test_a_killed_run_goes_on_as_if_nothing_had_happened(data, tmp_path, capsys):
    """SIGKILL to the command itself, some steps after a save: it waits to be read, so it is not done before."""
    out = tmp_path / "killed"
    command = [sys.executable, "-m", "sslviz.cli", "train", "simclr", data, "--steps", "60", "--batch-size", "32"]
    command += ["--model.encoder.widths", "8", "8", "--model.encoder.strides", "2", "2", "--log-every", "1"]
    command += ["--save-minutes", "0.0001", "--device", "cpu", "--threads", "1", "--json"]
    command += ["--precision", "32-true"]  # "auto" goes by the clock, and may choose another one for each run

    def lines(process):
        for line in process.stdout:
            yield json.loads(line)

    with subprocess.Popen([*command, "--out", str(out)], stdout=subprocess.PIPE, text=True, pipesize=4096) as process:
        for event in lines(process):  # a page of the pipe and one that was read hold less than 30 steps
            if event["event"] == "saved" and event["step"] >= 5:
                process.send_signal(signal.SIGKILL)
                break
    assert process.wait() == -signal.SIGKILL
    assert (out / STATE).exists() and not (out / checkpoint.WEIGHTS).exists()
    done = subprocess.run([*command, "--out", str(out), "--resume"], capture_output=True, text=True, check=True)
    assert cli.main([*command[3:], "--out", str(tmp_path / "alone")]) == 0
    outputs = (done.stdout, capsys.readouterr().out)
    finals = [[json.loads(line) for line in output.splitlines()] for output in outputs]
    resumed, alone = ({e["step"]: e["losses"]["loss"] for e in events if e["event"] == "step"} for events in finals)
    assert 5 < min(resumed) < 40
    np.testing.assert_allclose([resumed[s] for s in resumed], [alone[s] for s in resumed], atol=1e-5)
    assert finals[0][-1]["event"] == "done"


def test_a_run_is_not_resumed_with_other_settings(data, tmp_path):
    run = fit(tiny("vae", data, tmp_path / "m", steps=10))
    next(run), next(run)
    run.close()
    with pytest.raises(UserError, match="other settings"):
        list(fit(tiny("vae", data, tmp_path / "m", steps=10, lr=0.5, resume=True)))
    (tmp_path / "m" / STATE).write_bytes(b"broken")
    with pytest.raises(UserError, match="can't be read"):
        list(fit(tiny("vae", data, tmp_path / "m", steps=10, resume=True)))
    with pytest.raises(UserError, match="no run to resume"):
        list(fit(tiny("vae", data, tmp_path / "none", steps=10, resume=True)))


def test_a_finished_model_is_never_overwritten(data, tmp_path):
    list(fit(tiny("vae", data, tmp_path / "m", steps=2)))
    with pytest.raises(UserError, match="finished model"):
        list(fit(tiny("vae", data, tmp_path / "m", steps=2)))


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_state(data, tmp_path):
    with pytest.raises(UserError, match="lower --lr"):
        list(fit(tiny("vae", data, tmp_path / "m", steps=400, lr=1e6, save_minutes=0.0)))
    assert not (tmp_path / "m" / checkpoint.WEIGHTS).exists()
    state = torch.load(tmp_path / "m" / STATE, weights_only=True)
    assert all(value.isfinite().all() for value in state["model"].values())


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"epochs": None}, "budget"),
        ({"steps": 0}, "--steps must lie in 1"),
        ({"epochs": -1.0}, "--epochs must lie"),
        ({"minutes": math.inf}, "--minutes must lie"),
        ({"steps": 5, "lr": 0.0}, "--lr"),
        ({"steps": 5, "lr": math.nan}, "--lr"),
        ({"steps": 5, "batch_size": 0}, "--batch-size"),
        ({"steps": 5, "batch_size": 501}, "training images"),
        ({"steps": 5, "name": "../escape", "out": None}, "name"),
        ({"steps": 5, "name": "random-x", "out": None}, "random-"),
        ({"steps": 5, "device": "cuda"}, "no cuda device"),
    ],
)
def test_bad_settings_are_named(change, word, data, tmp_path):
    if change.get("device") == "cuda" and torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    run = dataclasses.replace(tiny("vae", data, tmp_path / "m", steps=1), steps=None)
    with pytest.raises(UserError, match=word):
        list(fit(dataclasses.replace(run, **change)))
    assert not list(tmp_path.rglob("*.safetensors"))


def test_an_alias_gets_what_its_dataset_gets():
    assert config_for("simclr", "fashion") == config_for("simclr", "fashion_mnist")
    assert command_for(config_for("simclr", "fashion")) == "sslviz train simclr fashion_mnist"


def test_slow_steps_are_told_one_by_one(data, tmp_path, monkeypatch):
    step = SimCLR.training_step

    def slow(*args):
        time.sleep(0.06)
        return step(*args)

    monkeypatch.setattr(progress, "SLOW", 0.05)
    monkeypatch.setattr(SimCLR, "training_step", slow)
    events = list(fit(tiny("simclr", data, tmp_path / "m", steps=3, log_every=100)))
    assert [e.step for e in events if e.event == "step"] == [1, 2, 3]


def test_an_unknown_method_is_named():
    with pytest.raises(UserError, match="no method 'gan'"):
        config_for("gan", "mnist")


def test_a_queue_smaller_than_a_batch_is_refused(data, tmp_path):
    with pytest.raises(UserError, match="queue"):
        list(fit(tiny("moco", data, tmp_path / "m", steps=1, batch_size=65)))


def test_a_full_disk_leaves_nothing_half_written(data, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    with pytest.raises(UserError, match="free some space"):
        list(fit(tiny("vae", data, tmp_path / "m", steps=2)))
    assert not [path for path in (tmp_path / "m").rglob("*") if path.is_file()]


def test_a_file_in_place_of_the_folder(data, tmp_path):
    (tmp_path / "m").write_text("in the way")
    with pytest.raises(UserError, match="Can't write"):
        list(fit(tiny("vae", data, tmp_path / "m" / "deeper", steps=2)))


def test_the_collapse_gauge(data):
    """1 / sqrt(d) of the standard deviation where z fills the sphere, 0 where all z are one."""
    from sslviz.data.images import load_images

    model = checkpoint.build("simclr", MODELS["simclr"], seed=0)
    sets = [load_images(data, split) for split in ("train", "test")]
    before = {key: value.clone() for key, value in model.state_dict().items()}
    assert monitor.watch(model, *sets, seed=0)["z_std"] > 0.01
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    with torch.no_grad():
        model.projector[-1].weight.zero_()
    assert monitor.watch(model, *sets, seed=0)["z_std"] == pytest.approx(0, abs=1e-6)


def test_the_command_repeats_the_run(data):
    run = config_for("moco", data, steps=3, batch_size=16, model=MODELS["moco"])
    words = command_for(run)
    assert words.startswith(f"sslviz train moco {data} ")
    assert "--steps 3" in words and "--batch-size 16" in words and "--model.encoder.widths 8 8" in words
    assert "--model.queue-size 64" in words
    assert command_for(config_for("simclr", "mnist")) == "sslviz train simclr mnist"


WORKER = """
import os, sys, torch
from pathlib import Path
from sslviz.methods.views import ViewPolicy
from sslviz.methods.encoders import EncoderConfig
from sslviz.methods.simclr import SimCLRConfig
from sslviz.training.batches import generator_for
from sslviz.training.config import config_for
from sslviz.training.stepper import Stepper

tiny = EncoderConfig(channels=1, widths=(8, 8), strides=(2, 2), pool=1)
config = config_for("simclr", "mnist", model=SimCLRConfig(tiny, 16, 8), views=ViewPolicy(), batch_size=8, device="cpu",
                    precision="32-true")
run = Stepper(config, None, precision="32-true")
run.model.eval()  # batch statistics are each process's own, so both sides use the running ones
run.optimizer.step = lambda *a, **k: None
x = torch.rand(8, 1, 28, 28, generator=torch.Generator().manual_seed(5))
n, rank = run.fabric.world_size, run.fabric.global_rank
run.step(x.chunk(n)[rank], generator_for(0, 0, stream=1), lr=0.0)
gradients = {key: p.grad for key, p in run.model.named_parameters()}
if n > 1 and rank == 0:
    torch.save(gradients, sys.argv[1])
run.leave()
if n > 1:
    threads = [name.read_text() for name in Path("/proc/self/task").glob("*/comm")]  # none where there is no /proc
    assert not [name for name in threads if "gloo" in name], threads
    os._exit(0)  # done: how an interpreter ends is not what is tested
"""


def test_a_run_in_bf16_learns_as_one_in_float32_does(data, tmp_path):
    rounded, exact = (
        losses(fit(config_for("moco", data, model=MODELS["moco"], steps=12, batch_size=32, device="cpu", log_every=1,
                              precision=precision, out=tmp_path / precision)))
        for precision in ("bf16-mixed", "32-true")
    )  # fmt: skip
    np.testing.assert_allclose(rounded, exact, rtol=0.05)
    cards = [checkpoint.load_card(tmp_path / name) for name in ("bf16-mixed", "32-true")]
    assert [card["precision"] for card in cards] == ["bf16-mixed", "32-true"]
    weights = checkpoint.load(tmp_path / "bf16-mixed").queue
    torch.testing.assert_close(weights.norm(dim=0), torch.ones(weights.shape[1]))


@pytest.mark.slow
def test_two_processes_compute_the_gradient_of_the_joint_batch(tmp_path):
    """torchrun, gloo: negatives gathered across ranks with gradients, against this process with all images."""
    alone: dict = {}
    exec(WORKER, alone)
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--master-addr=127.0.0.1"]
    command += [f"--master-port={port}", str(script), str(tmp_path / "two.pt")]
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, env=env)
    assert done.returncode == 0, done.stderr[-3000:]
    one, two = alone["gradients"], torch.load(tmp_path / "two.pt", weights_only=True)
    assert one.keys() == two.keys()
    for key in one:
        torch.testing.assert_close(one[key], two[key], atol=1e-5, rtol=1e-4)
    assert any(value.abs().max() > 1e-4 for value in one.values())


def test_halves_alone_have_another_loss():
    """Why the gathering matters: two half batches have fewer negatives."""
    z1, z2 = torch.randn(2, 8, 4, generator=torch.Generator().manual_seed(0))
    joint = nt_xent(z1, z2, temperature=0.5)
    halves = [nt_xent(z1[i], z2[i], temperature=0.5) for i in (slice(0, 4), slice(4, 8))]
    assert joint > sum(halves) / 2


# a masked language model --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reading(tmp_path_factory):
    """(folder of a tiny BERT, text file)."""
    folder = tmp_path_factory.mktemp("mlm")
    (folder / "text.txt").write_text("\n".join(tinytext.TEXTS * 30), encoding="utf-8")
    return tinytext.write("bert", folder / "bert"), folder / "text.txt"


def mlm(reading, out, **changes):
    base, text = reading
    changes = {
        "batch_size": 16,
        "lr": 5e-3,
        "device": "cpu",
        "log_every": 1,
        "out": out,
        "precision": "32-true",
    } | changes
    return config_for("mlm", str(text), model=MaskedLMConfig(base=str(base), freeze_embeddings=False), **changes)


def test_a_language_model_learns_and_is_left_as_one(reading, tmp_path):
    events = list(fit(mlm(reading, tmp_path / "m", steps=50)))
    found = losses(events)
    assert np.mean(found[-5:]) < np.mean(found[:5]) - 1
    assert {"top1", "top5"} == events[-1].monitor.keys()
    model = language.load(tmp_path / "m")
    assert model.tokenizer.mask_token == "[MASK]" and checkpoint.load_card(tmp_path / "m")["method"] == "mlm"
    # what is left is what was judged last: the same words of the last sentences are found
    held = reading[1].read_text(encoding="utf-8").split("\n")[-3:]
    found = evaluate_masked(model, held, seed=0)
    assert {name: found[name] for name in ("top1", "top5")} == pytest.approx(events[-1].monitor, abs=1e-6)
    before, after = (pseudo_perplexity(m, held, seed=0)[0] for m in (language.load(reading[0]), model))
    assert after < before / 2


def test_a_stopped_reading_goes_on_as_if_nothing_had_happened(reading, tmp_path):
    whole = losses(fit(mlm(reading, tmp_path / "whole", steps=8)))
    run, first = fit(half := mlm(reading, tmp_path / "half", steps=8)), []
    for event in run:
        first += [event.losses["loss"]] if event.event == "step" else []
        if len(first) == 5:
            run.close()
            break
    second = losses(fit(dataclasses.replace(half, resume=True)))
    np.testing.assert_allclose(first + second, whole, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["clm", "gru", "nsp"])
def test_other_language_models_are_trained_and_left_to_be_read(method, reading, tmp_path):
    base, text = reading
    runs = tmp_path / "runs.txt"
    runs.write_text("\n\n".join(["\n".join(tinytext.TEXTS)] * 30), encoding="utf-8")
    settings = {"base": str(base)} | ({"rank": 2} if method == "nsp" else {})
    config = config_for(
        method, str(runs if method == "nsp" else text), steps=30, batch_size=16, lr=1e-2, device="cpu", log_every=1,
        precision="32-true", out=tmp_path / "m",
    )  # fmt: skip
    found = losses(list(fit(dataclasses.replace(config, model=dataclasses.replace(config.model, **settings)))))
    assert np.mean(found[-5:]) < np.mean(found[:5])
    if method != "nsp":
        assert language.load_causal(tmp_path / "m").tokenizer.mask_token == "[MASK]"
    else:
        assert (tmp_path / "m" / language.HEAD).is_file()


def test_frozen_embeddings_stay(reading, tmp_path):
    start = mlm(reading, tmp_path / "m", steps=4)
    list(fit(dataclasses.replace(start, model=dataclasses.replace(start.model, freeze_embeddings=True))))
    before, after = (language.load(f).model.state_dict() for f in (reading[0], tmp_path / "m"))
    name = "bert.embeddings.word_embeddings.weight"
    assert torch.equal(before[name], after[name])
    name = "bert.encoder.layer.0.output.dense.weight"
    assert not torch.equal(before[name], after[name])


def test_a_missing_head_begins_with_the_frequencies(reading, tmp_path):
    tinytext.network("bert-body", tokenizer := tinytext.wordpiece()).save_pretrained(tmp_path / "body")
    tokenizer.save_pretrained(tmp_path / "body")
    frequencies = torch.arange(len(tokenizer))
    model = begin.load_base(MaskedLMConfig(base=str(tmp_path / "body")), seed=0, frequencies=frequencies)
    bias = model.model.get_output_embeddings().bias
    expected = (frequencies + 0.1) / (frequencies + 0.1).sum()
    torch.testing.assert_close(bias.detach().exp(), expected)
