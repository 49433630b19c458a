"""Loading language models: from folders, from the Hub's cache, from a server that stands for the Hub; and refusals."""

import http.server
import json
import shutil
import subprocess
import sys
import threading
import time
from functools import partial

import pytest
import tinytext
import torch

from sslviz.errors import UserError
from sslviz.language import evaluation, hub
from sslviz.language import model as language
from sslviz.store import checkpoint

KINDS = ("bert", "roberta", "xlm-roberta", "distilbert", "albert", "electra", "modernbert")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """kind -> folder of a tiny model."""
    root = tmp_path_factory.mktemp("tiny")
    made = {}

    def folder(kind):
        if kind not in made:
            made[kind] = tinytext.write(kind, root / kind)
        return made[kind]

    return folder


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize("kind", KINDS)
def test_the_head_alone_gives_what_the_whole_model_gives(kind, folders):
    model = language.load(folders(kind))
    assert not model.training and not any(p.requires_grad for p in model.parameters())
    ids = torch.randint(5, 100, (2, 9), generator=torch.Generator().manual_seed(0))
    whole = model.model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
    places = torch.zeros(2, 9, dtype=torch.bool)
    places[0, 3] = places[1, 0] = places[1, 8] = True
    found = model(ids, torch.ones_like(ids), places)
    torch.testing.assert_close(found, whole[places], atol=1e-5, rtol=1e-5)
    assert found.std() > 0.1


def test_a_head_of_an_unknown_kind_is_asked_through_the_whole_model(folders):
    model = language.load(folders("bert"))
    ids, places = torch.arange(10, 20)[None], torch.zeros(1, 10, dtype=torch.bool)
    places[0, 4] = True
    expected = model(ids, torch.ones_like(ids), places)
    model.model.strange = model.model._modules.pop("cls")
    plain = type(model.model).forward
    try:  # as a class of its own would, whose head has another name
        type(model.model).forward = lambda self, **inputs: type("Output", (), {
            "logits": self.strange(self.bert(**inputs).last_hidden_state)})  # fmt: skip
        torch.testing.assert_close(model(ids, torch.ones_like(ids), places), expected)
        with pytest.raises(UserError, match="head"):
            model.head(torch.zeros(1, 32))
    finally:
        type(model.model).forward = plain


def test_the_cache_of_the_hub_is_used_without_the_network(folders, cache, monkeypatch):
    tinytext.into_cache(folders("bert"), cache, "some/bert-tiny")
    tinytext.into_cache(folders("gpt2"), cache, "gpt-tiny")
    monkeypatch.setattr(hub, "fetch", lambda *args, **kwargs: pytest.fail("went to the network"))
    assert language.available("some/bert-tiny") and not language.available("some/other")
    assert language.load("some/bert-tiny").name == "some/bert-tiny"
    assert language.load_next_sentence("some/bert-tiny").model.config.model_type == "bert"
    assert language.load_causal("gpt-tiny").tokenizer.mask_token is None


def test_a_cached_model_without_its_weights_is_not_there(folders, cache):
    place = tinytext.into_cache(folders("bert"), cache, "some/bert-tiny")
    (place / "model.safetensors").unlink()
    assert not language.available("some/bert-tiny")


def test_weights_in_several_files_and_in_the_old_format(folders, tmp_path):
    from transformers import BertForMaskedLM

    whole = BertForMaskedLM.from_pretrained(folders("bert"))
    whole.save_pretrained(tmp_path / "parts", max_shard_size="20KB")
    assert len(list((tmp_path / "parts").glob("*.safetensors"))) > 1
    (tmp_path / "old").mkdir()
    torch.save(
        whole.state_dict() | {"cls.seq_relationship.weight": torch.zeros(2, 32)}, tmp_path / "old/pytorch_model.bin"
    )
    shutil.copy(folders("bert") / "config.json", tmp_path / "old")
    for name in ("parts", "old"):
        for file in folders("bert").glob("token*"):
            shutil.copy(file, tmp_path / name)
        found = language.load(tmp_path / name)
        for key, value in whole.state_dict().items():
            torch.testing.assert_close(found.model.state_dict()[key], value)
    assert language.has_next_sentence(tmp_path / "old") and not language.has_next_sentence(tmp_path / "parts")


@pytest.mark.parametrize("compact", [False, True])
def test_a_saved_model_comes_back_by_name(compact, folders, tmp_path, monkeypatch):
    monkeypatch.setenv("SSLVIZ_MODELS", str(tmp_path))
    model = language.load(folders("bert"))
    checkpoint.save(model, tmp_path / "mine", card={"dataset": "letters"})
    language.save(model, tmp_path / "mine", compact=compact)
    again = language.load("mine")
    assert again.name == "mine" and language.available("mine")
    for key, value in model.model.state_dict().items():
        found = again.model.state_dict()[key]
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, value, rtol=0.07 if compact else 0, atol=0.002 if compact else 0)
    listed = {info.name: info.kind for info in checkpoint.list_models()}
    assert listed["mine"] == "language"
    assert "mine" in {info.name for info in checkpoint.list_models("language")}
    assert "mine" not in {info.name for info in checkpoint.list_models("image")}
    with pytest.raises(UserError, match="language model"):
        checkpoint.load("mine")


@pytest.mark.parametrize(
    ("kind", "reason"),
    [("gpt2", "next word only"), ("bert-body", "lacks the head"), ("bert-classifier", "lacks the head")],
)
def test_what_fills_no_masks_is_refused(kind, reason, folders):
    with pytest.raises(UserError, match=reason):
        language.load(folders(kind))


def test_a_head_that_is_missing_from_the_weights_is_missed_whatever_the_config_says(folders, tmp_path):
    shutil.copytree(folders("bert-body"), tmp_path / "m")
    config = json.loads((tmp_path / "m/config.json").read_text())
    (tmp_path / "m/config.json").write_text(json.dumps(config | {"architectures": ["BertForMaskedLM"]}))
    with pytest.raises(UserError, match="lacks the head"):
        language.load(tmp_path / "m")


def test_other_refusals(folders, tmp_path):
    with pytest.raises(UserError, match="does not predict the next word"):
        language.load_causal(folders("bert"))
    with pytest.raises(UserError, match="no next-sentence head"):
        language.load_next_sentence(folders("roberta"))
    with pytest.raises(UserError, match="model of images"):
        language.load("vae-mnist")
    for name in ("no/such/folder", "../x", "", "a b", str(tmp_path)):
        with pytest.raises(UserError, match="folder"):
            language.load(name)
    shutil.copytree(folders("bert"), tmp_path / "m")
    (tmp_path / "m/model.safetensors").write_bytes(b"no weights at all")
    with pytest.raises(UserError, match="can't be read"):
        language.load(tmp_path / "m")
    (tmp_path / "m/config.json").write_text("{")
    with pytest.raises(UserError, match=r"config\.json"):
        language.load(tmp_path / "m")


# judging ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_masked_words_are_counted_as_a_slow_loop_counts_them(kind, folders):
    model = language.load(folders(kind))
    texts = [*tinytext.TEXTS, "... 3.50 !", "☃"] * 3
    found = evaluation.evaluate_masked(model, texts, seed=5, rate=0.3, batch_size=4)
    spans = evaluation.masked_spans(model, texts, seed=5, rate=0.3, batch_size=4)
    assert found["n_masked"] == sum(map(len, spans)) and found["n_sentences"] == 3 * len(tinytext.TEXTS)
    right = {1: 0, 5: 0}
    for text, places in zip(texts, spans, strict=True):
        assert all(any(c.isalpha() for c in text[s:e]) and not text[s].isspace() for s, e in places)
        assert bool(places) == any(c.isalpha() for c in text)
        encoded = model.tokenizer(text, return_offsets_mapping=True)
        ids = torch.tensor([encoded["input_ids"]])
        of = [[i for i, (s, e) in enumerate(encoded["offset_mapping"]) if s < b and e > a] for a, b in places]
        masked = ids.clone()
        masked[0, [i for tokens in of for i in tokens]] = model.tokenizer.mask_token_id
        logits = model.model(input_ids=masked).logits[0]
        for k in right:
            right[k] += sum(all(ids[0, i] in logits[i].topk(k).indices for i in tokens) for tokens in of)
    for k, count in right.items():
        assert found[f"top{k}"] == pytest.approx(count / found["n_masked"])
    assert model.training is False


# a server that stands for the Hub -----------------------------------------------------------------------------------


class Hub(http.server.BaseHTTPRequestHandler):
    """As much of the Hub as a download needs, over the files of a folder."""

    protocol_version = "HTTP/1.1"

    def __init__(self, root, behaviour, *args):
        self.root, self.behaviour = root, behaviour
        super().__init__(*args)

    def do_HEAD(self):
        self.do_GET(body=False)

    def do_GET(self, body=True):
        self.behaviour["asked"].append(self.path)
        path = self.path.split("?")[0]
        if self.behaviour.get("status"):
            return self.answer(b"{}", {}, body, self.behaviour["status"])
        if path == "/api/models/some/tiny":
            files = [{"rfilename": p.name, "size": self.size(p)} for p in sorted(self.root.iterdir())]
            told = {"id": "some/tiny", "sha": tinytext.COMMIT, "siblings": files, "private": False, "tags": []}
            return self.answer(json.dumps(told).encode(), {"Content-Type": "application/json"}, body)
        if path.startswith("/some/tiny/resolve/"):
            file = self.root / path.rsplit("/", 1)[1]
            if file.is_file():
                return self.answer(
                    file.read_bytes(), {"X-Repo-Commit": tinytext.COMMIT, "ETag": f'"{file.name}"'}, body
                )
            return self.answer(b"", {"X-Error-Code": "EntryNotFound"}, body, 404)
        return self.answer(b"", {"X-Error-Code": "RepoNotFound"}, body, 404)

    def size(self, path):
        return self.behaviour.get("sizes", {}).get(path.name, path.stat().st_size)

    def answer(self, content, headers, body, status=200):
        self.send_response(status)
        for key, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        if not body:
            return
        if self.path.endswith("model.safetensors") and self.behaviour.get("stall"):
            self.wfile.write(content[: len(content) // 2])
            self.wfile.flush()
            self.behaviour["stall"].wait(30)
            self.close_connection = True
            return
        self.wfile.write(content)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(folders, cache, monkeypatch):
    behaviour = {"asked": []}
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Hub, folders("bert"), behaviour))
    httpd.daemon_threads = True
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{httpd.server_port}")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.delenv("TRANSFORMERS_OFFLINE")
    yield behaviour
    if behaviour.get("stall"):
        behaviour["stall"].set()
    httpd.shutdown()
    httpd.server_close()


def test_a_model_is_fetched_once(server, folders):
    shares = []
    model = language.load("some/tiny", progress=shares.append)
    assert shares[-1] == 1.0 and shares == sorted(shares)
    here = language.load(folders("bert")).model.state_dict()
    for key, value in model.model.state_dict().items():
        torch.testing.assert_close(value, here[key])
    n = len(server["asked"])
    language.load("some/tiny")
    assert len(server["asked"]) == n


def test_an_unknown_name_is_said_to_be_unknown(server):
    with pytest.raises(UserError, match="There is no model 'some/other'"):
        language.load("some/other")


def test_a_failing_hub_is_said_to_fail(server):
    server["status"] = 403
    with pytest.raises(UserError, match="did not give out"):
        language.load("some/tiny")


def test_nothing_large_is_fetched_of_what_fills_no_masks(server, folders, monkeypatch):
    config = folders("bert") / "config.json"
    plain = config.read_text()
    try:
        config.write_text(json.dumps(json.loads(plain) | {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"]}))
        with pytest.raises(UserError, match="next word only"):
            language.load("some/tiny")
    finally:
        config.write_text(plain)
    assert not [path for path in server["asked"] if path.endswith(".safetensors")]


def test_what_is_too_large_for_the_machine_is_refused_before_it_is_fetched(server, monkeypatch):
    server["sizes"] = {"model.safetensors": 10**15}
    with pytest.raises(UserError, match=r"download of 1000000\.0 GB.*distilbert"):
        language.load("some/tiny")
    server["sizes"] = {"model.safetensors": 3_000_000_000}
    monkeypatch.setattr(hub, "free_memory", lambda: 2_000_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**12, 0, 10**12))
    with pytest.raises(UserError, match=r"3\.0 GB.*memory"):
        language.load("some/tiny")
    assert not [path for path in server["asked"] if path.endswith(".safetensors")]


@pytest.mark.slow
def test_silence_is_borne_for_a_bounded_time_only(server):
    server["stall"] = threading.Event()
    began = time.monotonic()
    with pytest.raises(UserError, match="sent nothing"):
        language.load("some/tiny", wait_seconds=6)
    assert time.monotonic() - began < 40
    assert not language.available("some/tiny")


def test_a_download_can_be_cancelled(server, monkeypatch):
    server["stall"] = threading.Event()
    started = []
    popen = subprocess.Popen
    monkeypatch.setattr(
        subprocess, "Popen", lambda *args, **kwargs: started.append(popen(*args, **kwargs)) or started[-1]
    )

    class Cancelled(Exception):
        pass

    def progress(share):
        if any(path.endswith("model.safetensors") for path in server["asked"]):
            raise Cancelled

    with pytest.raises(Cancelled):
        language.load("some/tiny", progress=progress, wait_seconds=30)
    assert started[0].poll() is not None


def test_no_hub_is_said_so_at_once(cache, monkeypatch):
    with pytest.raises(UserError, match="HF_HUB_OFFLINE"):
        language.load("bert-base-uncased")
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.delenv("TRANSFORMERS_OFFLINE")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # where nobody listens
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    began = time.monotonic()
    with pytest.raises(UserError, match="can't be reached"):
        language.load("bert-base-uncased", wait_seconds=20)
    assert time.monotonic() - began < 30


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU has use for Triton")
def test_without_a_gpu_nothing_that_compiles_for_one_is_loaded():
    """Triton is 80 MB of the gigabyte that a small host has."""
    code = "import sys; from sslviz.language import model; model.load('bert-sslviz'); print(sys.modules['triton'])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert run.stdout.strip() == "None", run.stderr
