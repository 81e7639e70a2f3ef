"""The home of a guard: what `init` makes, and what is refused."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from obverse.core.errors import MisuseError, UntrustedInputError
from obverse.guard.home import Home, make_home, open_home
from obverse.guard.local import open_guard, open_vault

POLICY = """\
---
policy: small
---
# Small

```terms
terms from "tools.json"
```

## Looking {#look inviolable}

```rule
forbid wipe
```
"""
TOOLS = '[{"name": "wipe", "parameters": {"type": "object", "properties": {}}}]'


def policy(folder: Path, text: str = POLICY) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "tools.json").write_text(TOOLS)
    (folder / "small.md").write_text(text)
    return folder / "small.md"


def made(folder: Path) -> Home:
    return make_home(folder / "home", policy(folder / "source"), name="guard.example", origin="guard.example/1")


def test_a_home_holds_a_copy_of_all_that_the_policy_reads(tmp_path: Path) -> None:
    home = made(tmp_path)
    assert home.loaded.files == {"policy.md": POLICY.encode(), "tools.json": TOOLS.encode()}
    assert stat.S_IMODE(home.key.stat().st_mode) == 0o600
    assert open_home(home.folder).configuration.name == "guard.example"


def test_a_home_is_made_in_a_folder_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(MisuseError, match="not empty"):
        make_home(tmp_path, policy(tmp_path / "source"), name="guard.example", origin="guard.example/1")


def test_a_policy_that_reads_outside_of_its_folder_is_no_policy_for_a_home(tmp_path: Path) -> None:
    source = policy(tmp_path / "source", POLICY.replace("tools.json", "../tools.json"))
    (tmp_path / "tools.json").write_text(TOOLS)
    with pytest.raises(UntrustedInputError):
        make_home(tmp_path / "home", source, name="guard.example", origin="guard.example/1")


def test_a_key_that_others_may_read_is_not_used(tmp_path: Path) -> None:
    home = made(tmp_path)
    home.key.chmod(0o644)
    with pytest.raises(MisuseError, match="others may read"):
        home.signer()


@pytest.mark.parametrize("text", ["guard = 2", "gard = 1", "guard = 1\nname = 3", "guard = [", "\xff"])
def test_settings_of_another_form_are_refused(tmp_path: Path, text: str) -> None:
    home = made(tmp_path)
    (home.folder / "guard.toml").write_bytes(text.encode("latin-1"))
    with pytest.raises(UntrustedInputError, match="not the settings of a guard"):
        open_home(home.folder)


def test_a_guard_opens_its_home_and_writes_into_its_log(tmp_path: Path) -> None:
    home = made(tmp_path)
    guard = open_guard(home)
    session = guard.session(holder="alice")
    assert not guard.offers("wipe")
    session.end()
    guard.close()


def test_credentials_come_from_the_environment_and_a_file_that_its_owner_alone_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = made(tmp_path)
    toml = home.folder / "guard.toml"
    toml.write_text(toml.read_text() + '\n[credentials]\nenvironment = ["BANK"]\nfile = "credentials.json"\n')
    home = open_home(home.folder)
    file = home.folder / "credentials.json"
    file.write_text('{"POST": "stamp"}')
    file.chmod(0o644)
    with pytest.raises(MisuseError, match="others may read"):
        open_vault(home)
    file.chmod(0o600)
    with pytest.raises(MisuseError, match="no credential `BANK`"):
        open_vault(home)
    monkeypatch.setenv("BANK", "vault")
    assert open_vault(home).names == {"BANK", "POST"}
    file.write_text('{"POST": 5}')
    with pytest.raises(UntrustedInputError, match="no credentials"):
        open_vault(home)
