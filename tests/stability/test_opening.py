from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from obverse.core.errors import MisuseError
from obverse.stability.opening import open_local


@pytest.mark.parametrize("package", ["torch", "transformers"])
def test_without_the_packages_it_says_how_to_get_them(
    package: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MisuseError, match="B300") as caught:
        open_local(tmp_path, name="x", cache=tmp_path)
    assert caught.value.hint == 'pip install "obverse[internals]"'


def test_nothing_heavy_is_loaded_before_a_model_is_opened() -> None:
    program = "import sys, obverse.stability.opening; print({'torch', 'transformers', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
