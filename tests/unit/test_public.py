"""The public interface: what ``from vww_deploy import ...`` gives, and README's example of it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import vww_deploy
from vww_deploy.boards.virtual import VirtualBoard

README = Path(__file__).parents[2] / "README.md"


@pytest.mark.parametrize("name", vww_deploy.__all__)
def test_every_public_name_is_there_and_explains_itself(name: str) -> None:
    assert getattr(vww_deploy, name).__doc__
    assert name in dir(vww_deploy)


def test_the_package_alone_imports_nothing_heavy() -> None:
    code = "import sys, vww_deploy; print([m for m in ('numpy', 'PIL', 'importlib.metadata') if m in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "[]"


def test_the_command_lines_help_imports_no_numpy() -> None:
    code = "import sys, vww_deploy.cli as c; c.build(); print('numpy' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "False"


def test_nobody_is_told_to_install_from_an_index_what_is_in_none() -> None:
    root = README.parent
    if not (root / "pyproject.toml").is_file():
        pytest.skip("needs the checkout")
    pages = [*root.glob("*.md"), *root.glob("docs/**/*.md"), *root.glob("host/**/*.py"), *root.glob("scripts/*")]
    told = [page for page in pages if re.search(r"pip install (?:-\S+ )*['\"]?vww-deploy\b", page.read_text())]
    assert told == []


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = vww_deploy.nonsense


def readme_example() -> str:
    match = re.search(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert match is not None
    return match[1]


def test_readmes_example_has_at_most_eight_lines_and_public_names_only() -> None:
    example = readme_example()
    assert len(example.splitlines()) <= 8
    imported = [node for node in ast.walk(ast.parse(example)) if isinstance(node, ast.ImportFrom)]
    assert [node.module for node in imported] == ["vww_deploy"]
    assert {alias.name for node in imported for alias in node.names} <= set(vww_deploy.__all__)


@pytest.mark.virtual
@pytest.mark.slow
def test_readmes_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from PIL import Image

    (tmp_path / "photos").mkdir()
    Image.new("L", (96, 96), 90).save(tmp_path / "photos" / "gray.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VWW_DEPLOY_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("VWW_DEPLOY_CACHE", str(tmp_path / "cache"))  # the user's virtual board stays what it is
    try:
        exec(compile(readme_example(), str(README), "exec"), {})
    finally:
        VirtualBoard().stop()
    assert "Inference(number=0" in capsys.readouterr().out
