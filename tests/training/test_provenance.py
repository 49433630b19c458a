"""Where a model comes from: the revision of this checkout alone, the processor in words."""

import os
import subprocess

import torch

from sslviz.training.provenance import describe_hardware, describe_origin, revision_of


def repository(folder):
    """A checkout with one revision; its short hash."""
    who = {f"GIT_{role}_{what}": "a@b.example" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "one"]):
        subprocess.run(["git", "-C", folder, *words], check=True, env=os.environ | who)
    told = subprocess.run(["git", "-C", folder, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    return told.stdout


def test_the_revision_is_that_of_the_folder_itself_and_of_no_repository_around_it(tmp_path):
    assert revision_of(tmp_path) == "unknown"
    whole = repository(tmp_path)
    assert len(revision_of(tmp_path)) >= 4 and whole.startswith(revision_of(tmp_path))
    installed = tmp_path / "site-packages" / "sslviz" / "share"
    installed.mkdir(parents=True)
    assert revision_of(installed) == "unknown"


def test_a_card_is_told_date_versions_and_processor():
    origin = describe_origin()
    assert origin.keys() == {"git_revision", "created", "versions"} and origin["versions"]["torch"] == torch.__version__
    assert describe_hardware(torch.device("cpu")).startswith("CPU (")
