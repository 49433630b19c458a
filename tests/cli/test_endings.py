"""How a command ends: by signals, closed pipes, full disks, narrow terminals, users without a name; bounds and JSON."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import tinytext
from tinyruns import tiny as tiny_run

from sslviz import cli
from sslviz.cli import failures, output
from sslviz.cli.signals import Interrupted, until_interrupted
from sslviz.jobs.protocol import Started, Stepped, Stopped, parse_event
from sslviz.training.loop import fit

SSLVIZ = (sys.executable, "-m", "sslviz")


@pytest.fixture(scope="module")
def data(own_digits):
    return own_digits(300, 100)


def tiny(data, out, *more):
    """A command that trains a small network for an hour."""
    words = ["train", "simclr", data, "--minutes", 60, "--batch-size", 16, "--log-every", 1, "--out", out]
    words += ["--model.encoder.widths", 8, 8, "--model.encoder.strides", 2, 2, "--threads", 1, *more]
    return [str(word) for word in words]


def moments(closed):
    """Events as a training yields them, noting that it was closed."""
    try:
        yield Started(0, 0.0, 0, 0.0, 0.0, info={"name": "m"})
        for step in range(1, 10):
            yield Stepped(step, 0.0, 0, 0.0, 0.0)
    finally:
        closed.append(True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_training_at_its_next_event(number):
    closed, seen, before = [], [], signal.getsignal(signal.SIGINT)
    with pytest.raises(Interrupted, match=r"stopped at step 3") as ended:
        for event in until_interrupted(moments(closed)):
            seen.append(event)
            if event.step == 3 and not isinstance(event, Stopped):
                os.kill(os.getpid(), number)
    assert ended.value.number == number and closed == [True]
    assert isinstance(seen[-1], Stopped) and seen[-1].step == 3
    assert signal.getsignal(signal.SIGINT) is before  # ignored where the tests run in the background of a shell


@pytest.mark.parametrize("taken", [0, 2])
def test_a_run_that_is_stopped_at_its_start_names_the_step_of_its_state(taken, data, tmp_path, capsys):
    """A new run at step 0, a resumed one at the step that it was to go on from: the command printed does go on."""
    if taken:
        run = fit(tiny_run("vae", data, tmp_path / "m", steps=5))
        next(event for event in run if event.step == taken)
        run.close()
    config = tiny_run("vae", data, tmp_path / "m", steps=5, resume=taken > 0)
    with pytest.raises(Interrupted, match=f"stopped at step {taken}; its state is kept") as ended:
        for event in until_interrupted(fit(config)):
            assert event.step == taken
            if not isinstance(event, Stopped):  # a second one would end it at once
                os.kill(os.getpid(), signal.SIGTERM)
    assert ended.value.step == taken
    again = fit(replace(config, resume=True))
    assert next(again).step == taken and list(again)[-1].step == 5


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_training_says_how_to_go_on_and_goes_on(number, status, data, tmp_path):
    """The command that it prints goes on from the step that it names."""
    command = [*SSLVIZ, *tiny(data, tmp_path / "my model", "--json")]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for line in run.stdout:
        if parse_event(line).step >= 2:
            run.send_signal(number)
            break
    out, err = run.communicate(timeout=120)
    assert run.returncode == status
    stopped = parse_event(out.splitlines()[-1])
    assert isinstance(stopped, Stopped) and f"stopped at step {stopped.step}; its state is kept" in err
    assert len(err.strip().splitlines()) == 1
    words = shlex.split(err.partition("go on from there with: ")[2])
    assert words[0] == "sslviz"
    again = subprocess.Popen([*SSLVIZ, *words[1:]], stdout=subprocess.PIPE, text=True)
    first = parse_event(again.stdout.readline())
    again.kill()
    again.communicate()
    assert isinstance(first, Started) and first.step == stopped.step


@pytest.mark.slow
def test_a_reader_that_goes_away_is_no_error(data, tmp_path):
    """As `| head -1`: neither a traceback nor Python's own complaint at its end."""
    command = [*SSLVIZ, *tiny(data, tmp_path / "m", "--json")]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert json.loads(run.stdout.readline())["event"] == "start"
    run.stdout.close()
    assert run.wait(120) == 141 and run.stderr.read() == ""
    run.stderr.close()
    assert (tmp_path / "m" / "state.pt").is_file()


@pytest.mark.parametrize("words", [["models", "list"], ["models", "list", "--json"], ["-h"], ["data", "list"]])
def test_a_full_disk_is_said_in_one_line(words):
    with open("/dev/full", "w") as full:
        done = subprocess.run([*SSLVIZ, *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert "no space left" in done.stderr and len(done.stderr.strip().splitlines()) == 1


def test_help_that_nobody_reads_is_no_error():
    """Python would complain at its end, of output that it could not write."""
    with open("/dev/full", "w") as full:
        done = subprocess.run([*SSLVIZ, "fill", "-h"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert "Exception ignored" not in done.stderr and "Traceback" not in done.stderr


def test_libraries_that_tell_of_the_disk_in_words_of_their_own():
    from safetensors import SafetensorError

    told = SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")
    assert "no space left" in str(failures.disk_error(told))
    assert failures.disk_error(ValueError("something else")) is None
    assert "cannot be" not in str(failures.plain(PermissionError(13, "Permission denied", "/x")))
    assert "/x" in str(failures.plain(PermissionError(13, "Permission denied", "/x")))


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "latin-1"])
def test_a_terminal_without_the_characters_gets_others(encoding, tmp_path):
    bert = tinytext.write("bert", tmp_path / "bert")
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    done = subprocess.run([*SSLVIZ, "fill", "Füße [MASK].", "--model", bert, "--top-k", "2"], capture_output=True,
                          check=False, env=environment)  # fmt: skip
    assert done.returncode == 0 and b"%" in done.stdout and done.stderr == b""
    done = subprocess.run([*SSLVIZ, "probe", "nö█", "mnist"], capture_output=True, check=False, env=environment)
    assert done.returncode == 1 and b"Traceback" not in done.stderr


# runs the command as a user whom nobody knows, as in containers that run under any number
UNKNOWN = """
import os, pwd, sys
def unknown(key):
    raise KeyError(f"getpwuid(): uid not found: {key}")
pwd.getpwuid = pwd.getpwnam = unknown
from sslviz.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("home", [None, "/dev/null/nowhere"])
def test_a_user_without_name_and_home_can_work(home, data, tmp_path):
    environment = {key: value for key, value in os.environ.items() if key not in ("HOME", "USER", "LOGNAME")}
    environment |= {"HOME": home} if home else {}
    environment.pop("SSLVIZ_DATA")
    for words, status in (
        (["models", "list"], 0),
        (["data", "list", "--json"], 0),
        (["models", "delete", "x"], 1),
        (["fill", "Paris is [MASK].", "--top-k", "1"], 0),
        (["probe", "~/m", "mnist"], 1),
        (tiny(data, tmp_path / "m", "--steps", 2), 0),
    ):
        done = subprocess.run([sys.executable, "-c", UNKNOWN, *words], capture_output=True, text=True, check=False,
                              env=environment, cwd=tmp_path)  # fmt: skip
        assert done.returncode == status, (words, done.stderr)
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["probe", "vae-mnist", "mnist", "--seed", "-1"],
        ["eval", "vae-mnist", "mnist", "--seed", str(2**32)],
        ["eval", "mlm", "bert-sslviz", "none.txt", "--seed", "-1"],
        ["fill", "[MASK]", "--temperature", "-1"],
        ["fill", "[MASK]", "--temperature", "0"],
        ["fill", "[MASK]", "--temperature", "nan"],
        ["fill", "[MASK]", "--temperature", "inf"],
        ["fill", "[MASK]", "--top-k", "0"],
        ["map", "vae-mnist", "mnist", "--out", "x.npz", "--seed", "-1"],
        ["app", "--port", "0"],
        ["app", "--port", "70000"],
    ],
    ids=" ".join,
)
def test_numbers_out_of_bounds_are_refused_at_once(words, capsys):
    started = time.perf_counter()
    assert cli.main(words) == 1
    assert time.perf_counter() - started < 2  # before anything is loaded
    said = capsys.readouterr()
    assert "must be from" in said.err and len(said.err.strip().splitlines()) == 1 and not said.out


def test_json_is_strict_and_errors_are_json_too(capsys):
    """NaN and Infinity are no JSON; on failure stdout has one object with the reason, and stderr the sentence."""
    output.answer({"a": float("nan"), "b": [float("inf"), 1.5], "c": {"d": -float("inf")}}, True, lambda: None)
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": [None, 1.5], "c": {"d": None}}
    assert cli.main(["fill", "no gap", "--top-k", "0", "--json"]) == 1
    said = capsys.readouterr()
    assert json.loads(said.out)["message"] in said.err


def test_a_home_that_the_shell_has_left_is_expanded(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    bert = tinytext.write("bert", tmp_path / "bert")
    (tmp_path / "t.txt").write_text("\n".join(tinytext.TEXTS), encoding="utf-8")
    assert cli.main(["eval", "mlm", "~/bert", "~/t.txt", "--corpus=~/t.txt", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["file"] == str(tmp_path / "t.txt")
    assert cli.main(["fill", "The [MASK] sat.", "--model", "~/bert"]) == 0
    assert cli.main(["models", "export", "vae-mnist-2d", "~/vae.safetensors"]) == 0
    assert bert.is_dir() and (tmp_path / "vae.safetensors").is_file()


@pytest.mark.slow
def test_where_nothing_can_be_written_compiled_code_goes_to_the_temporary_folder(tmp_path):
    """numba refuses to compile without a folder for its cache: neither the package's nor a home's can be written."""
    code = """
import os
writable = os.access
os.access = lambda path, mode, **options: mode != os.W_OK and writable(path, mode, **options)
from sslviz.evaluation.maps.umap import give_numba_a_cache
give_numba_a_cache()
assert os.path.isdir(os.environ["NUMBA_CACHE_DIR"])
os.access = writable
"""
    environment = {key: value for key, value in os.environ.items() if key != "NUMBA_CACHE_DIR"}
    environment |= {"TMPDIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
    assert [path.name.startswith("sslviz-numba-") for path in tmp_path.iterdir()] == [True]
