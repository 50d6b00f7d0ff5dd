"""A small project with known faults, made anew where it is needed: nothing that looks like a secret is committed."""

from __future__ import annotations

from pathlib import Path

PASSWORD = "hunter2" * 2
AWS_KEY = "AKIA" + "IOSFODNN7" + "REALKEY"  # the parts together have the form of an access key id
CLEAN = "def add(a, b):\n    return a + b\n"


def faulty(root: Path) -> Path:
    """Findings for every scanner below app/, in Dockerfile and requirements.txt, and more below tests/."""
    files = {
        "app/__init__.py": "",
        "app/main.py": f'import subprocess\n\nPASSWORD = "{PASSWORD}"\n\n\n'
        "def run(command):\n    return subprocess.call(command, shell=True)\n",
        "app/keys.py": f'KEY = "{AWS_KEY}"\n',
        "tests/test_main.py": f'KEY = "{AWS_KEY}"\nexec("1")\nassert KEY\n',
        "Dockerfile": "FROM python:latest\nCOPY . /app\n",
        "requirements.txt": "requests==2.19.0\njinja2==3.1.6\n",
    }
    return write(root, files)


def clean(root: Path) -> Path:
    """Nothing to find for anyone."""
    return write(root, {"app/main.py": CLEAN, "requirements.txt": "jinja2==3.1.6\n"})


def write(root: Path, files: dict[str, str]) -> Path:
    """The files below the root; returns the root."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root
