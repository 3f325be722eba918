"""README and help tell what is there: every verb, every option that the README names, every file."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from micromet_path.apps.archive.schema import VIEWS
from micromet_path.apps.batch.plan import make_plan
from micromet_path.apps.cli.main import cli
from micromet_path.config import load_config
from micromet_path.results.manifest import facts_of_name, manifest_as_markdown

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


def test_every_option_that_the_readme_lists_exists():
    options = {name for verb in ("analyze", "batch", "stage") for one in cli.commands[verb].params for name in one.opts}
    for name in re.findall(r"^- `(--?[a-z]+)", README, flags=re.MULTILINE):
        assert name in options


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.toml")), ids=lambda path: path.stem)
def test_every_configuration_loads_and_is_listed(path):
    load_config(path)
    assert path.name in (ROOT / "configs" / "README.md").read_text(encoding="utf-8")


def test_the_default_configuration_file_is_the_default():
    assert load_config(ROOT / "configs" / "default.toml") == load_config()


ARCHIVE = ROOT / "configs" / "archive"
ABOUT_ARCHIVES = (ARCHIVE / "README.md").read_text(encoding="utf-8")


def test_archives_are_documented_as_they_are():
    assert manifest_as_markdown() in ABOUT_ARCHIVES
    for view in VIEWS:
        assert f"| `{view}` |" in ABOUT_ARCHIVES
    for path in ARCHIVE.iterdir():
        assert f"| `{path.name}` |" in ABOUT_ARCHIVES or path.name == "README.md"
    naming = load_config(ARCHIVE / "naming.toml").naming.pattern
    assert facts_of_name("26-0012_A_A1_L1.svs", naming) == {
        "accession": "26-0012", "part": "A", "block": "A1", "level": "1",
    }  # fmt: skip


def test_the_example_of_a_manifest_is_one_of_the_sample_slides(tmp_path):
    plan = make_plan([str(ROOT / "sample_slides")], ARCHIVE / "manifest.csv", load_config(), tmp_path, print)
    assert {slide.facts.accession for slide in plan.slides} == {"26-0012", "26-0013", "26-0014"}
    assert not [slide.problem for slide in plan.slides if slide.problem]


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_the_job_array_runs(tmp_path):
    (tmp_path / "slides").mkdir()
    shutil.copy(ROOT / "sample_slides" / "itc.svs", tmp_path / "slides")
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "SLURM_ARRAY_TASK_ID": "1",
        "SLURM_ARRAY_TASK_COUNT": "1",
        "SLURM_CPUS_PER_TASK": "1",
    }
    script = ["bash", str(ARCHIVE / "slurm-array.sh"), str(tmp_path / "slides"), str(tmp_path / "out"), "-q"]
    subprocess.run(script, env=environment, check=True, timeout=120)
    assert (tmp_path / "out" / "itc" / "result.json").is_file()
    subprocess.run(["bash", "-n", str(ARCHIVE / "slurm-dask.sh")], check=True)


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
