"""README and help tell what is there: every verb, every option that the README names, every file."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from micromet_path.apps.cli.main import cli
from micromet_path.config import load_config

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^(?:\.venv/bin/)?micromet ([a-z]+)([^\n|`]*)", README, flags=re.MULTILINE)
INLINE = re.findall(r"`micromet ([a-z]+)([^`]*)`", README)


@pytest.mark.parametrize("verb", sorted(cli.commands))
def test_every_verb_is_in_the_readme_and_has_help(verb):
    assert f"micromet {verb}" in README
    command = cli.commands[verb]
    assert command.help
    for option in command.params:
        assert isinstance(option, click.Argument) or (isinstance(option, click.Option) and option.help), option.name


@pytest.mark.parametrize(("verb", "words"), COMMANDS + INLINE)
def test_every_command_in_the_readme_exists(verb, words):
    assert verb in cli.commands
    command = cli.commands[verb]
    nested = getattr(command, "commands", {}).values()
    options = {name for one in (command, *nested) for option in one.params for name in option.opts}
    for name in re.findall(r"(?<!\w)--?[a-z]+", words):
        assert name in options, f"micromet {verb} has no {name}"


def test_every_option_of_analyze_that_the_readme_names_exists():
    options = {name for option in cli.commands["analyze"].params for name in option.opts}
    for name in re.findall(r"^- `(--?[a-z]+)", README, flags=re.MULTILINE):
        assert name in options


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.toml")), ids=lambda path: path.stem)
def test_every_configuration_loads_and_is_listed(path):
    load_config(path)
    assert path.name in (ROOT / "configs" / "README.md").read_text(encoding="utf-8")


def test_the_default_configuration_file_is_the_default():
    assert load_config(ROOT / "configs" / "default.toml") == load_config()


def test_python_of_the_readme_runs(tmp_path):
    code = re.search(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert code is not None
    program = code.group(1).replace('"sample_slides/', f'"{ROOT.as_posix()}/sample_slides/')

    done = subprocess.run([sys.executable, "-W", "error", "-c", program], cwd=tmp_path, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert "itc" in done.stdout
    assert (tmp_path / "results" / "itc" / "report.html").is_file()


def test_the_top_level_is_as_agreed():
    agreed = {"pyproject.toml", "README.md", "micromet_path", "configs", "sample_slides", "notebooks", "tests"}
    beside = {"LICENSE", "CHANGELOG.md", "Makefile"}
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode != 0:
        pytest.skip("not a git checkout")
    top = {line.split("/")[0] for line in tracked.stdout.splitlines()}

    assert agreed <= top
    assert {name for name in top - agreed - beside if not name.startswith(".")} == set()
