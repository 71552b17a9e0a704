"""Every `sterile` command that README.md shows runs, in the order shown, in one directory."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"


def commands():
    """Lines `$ sterile ...` of the console blocks; a trailing backslash continues a line."""
    blocks = re.findall(r"```console\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    text = "\n".join(blocks).replace("\\\n", " ")
    shown = [line[2:].strip() for line in text.splitlines() if line.startswith("$ ")]
    return [line for line in shown if line.split()[0] == "sterile"]


@pytest.mark.cli
def test_every_command_of_the_readme_runs(tmp_path):
    assert commands(), "README.md shows no `$ sterile ...` line in a console block"
    shutil.copytree(ROOT / "runs", tmp_path / "runs")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for command in commands():
        words = shlex.split(command, comments=True)[1:]
        done = subprocess.run(
            [sys.executable, "-m", "sterile", *words],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
