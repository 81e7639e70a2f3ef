"""`obverse models`, over a cache that holds nothing. Fetching itself is tried in tests/targets/test_catalogue.py."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from obverse.cli.app import main
from obverse.targets.catalogue import CATALOGUE, find, folder_of


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OBVERSE_CACHE", str(tmp_path))
    return tmp_path / "models"


@pytest.fixture
def encoder(cache: Path) -> Path:
    """The folder of the encoder, of the right sizes and of wrong bytes."""
    package = find("minilm-l6-v2")
    folder = folder_of(package, cache)
    folder.mkdir(parents=True)
    for file in package.files:
        with (folder / file.name).open("wb") as stream:
            stream.truncate(file.size)
    return folder


@pytest.mark.parametrize("command", [["models", "--json"], ["models", "list", "--json"]], ids=" ".join)
def test_the_list_says_what_is_here_and_what_licence_evidence_there_is(
    command: list[str], encoder: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["cache"] == str(cache)
    assert [one["name"] for one in document["models"]] == [package.name for package in CATALOGUE]
    assert {one["name"]: one["path"] for one in document["models"] if one["path"]} == {"minilm-l6-v2": str(encoder)}
    assert all(one["licence"] and one["evidence"] for one in document["models"])


def test_the_list_for_people_shows_licences_too(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    said = capsys.readouterr().out
    assert "smollm2-135m  (chat, 98 MB, not fetched, 93 MB to download)" in said
    assert "licence: none stated; evidence: none in the packages" in said


@pytest.mark.parametrize("verb", ["fetch", "remove", "path"])
def test_an_unknown_name_is_one_line(verb: str, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", verb, "smollm"]) == 2
    assert capsys.readouterr().err == "[M101] unknown model `smollm` (hint: did you mean `smollm2-135m`?)\n"
    assert not cache.exists()


def test_a_path_is_given_only_of_what_is_here(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "path", "smollm2-135m"]) == 2
    assert "`obverse models fetch smollm2-135m` gets it" in capsys.readouterr().err


def test_changed_bytes_do_not_verify(encoder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "path", "minilm-l6-v2"]) == 5
    assert "pinned is" in capsys.readouterr().err


def test_what_is_here_is_not_fetched_again(encoder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "fetch", "minilm-l6-v2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["fetched"] is False


def test_remove_frees_what_was_here(encoder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "remove", "minilm-l6-v2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"name": "minilm-l6-v2", "freed": find("minilm-l6-v2").size}
    assert main(["models", "remove", "minilm-l6-v2"]) == 0
    assert capsys.readouterr().out == "minilm-l6-v2 was not here\n"
    assert not encoder.exists()
