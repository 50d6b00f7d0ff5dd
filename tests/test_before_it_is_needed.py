"""What the command and the flows load and ask of others before anybody needs it: no cloud SDK, big and an extra, and
no telemetry."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from blocks.platforms import known
from blocks.platforms.docker import DockerPlatform
from blocks.platforms.kubernetes import KubernetesPlatform
from blocks.platforms.protocol import HostsServices
from domain.errors import CapabilityError
from domain.place import Target

SDKS = {"aiobotocore", "azure", "boto3", "botocore", "docker", "google", "kubernetes", "kubernetes_asyncio"}
SDKS |= {f"prefect_{name}" for name in ("aws", "azure", "docker", "gcp", "kubernetes")}
FLOWS = """
import importlib, pkgutil, flows
for one in pkgutil.iter_modules(flows.__path__):
    importlib.import_module(f"flows.{one.name}")
"""
HELP = """
from cli.main import main
try:
    main(["--help"])
except SystemExit as over:
    assert over.code == 0
"""
WITHOUT = """
import importlib, sys
sys.modules.update(dict.fromkeys({sdks}))  # none of them can be imported
for name in {names}:
    importlib.import_module(f"blocks.platforms.{{name}}").PLATFORM
"""


def loaded(code: str) -> set[str]:
    """The top-level packages that are there after it."""
    code += "\nimport sys\nprint(*sorted({name.split('.')[0] for name, one in sys.modules.items() if one}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("code", [FLOWS, HELP], ids=["flows", "tes --help"])
def test_no_sdk_is_loaded_before_a_platform_needs_it(code: str) -> None:
    there = loaded(code)
    assert {"flows", "cli"} & there and not SDKS & there


def test_prefect_is_told_not_to_track_and_a_person_may_say_otherwise() -> None:
    code = "import os, cli.main as main; main.main = lambda: print(os.environ['DO_NOT_TRACK']) or 0; main.command()"
    for said, kept in (({}, "1"), ({"DO_NOT_TRACK": "0"}, "0")):
        env = {key: value for key, value in os.environ.items() if key != "DO_NOT_TRACK"} | said
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env=env)
        assert (done.returncode, done.stdout.strip()) == (0, kept), done.stderr


def test_every_platform_is_there_without_any_sdk() -> None:
    names = sorted(known())
    assert "blocks" in loaded(WITHOUT.format(sdks=sorted(SDKS), names=names)) and len(names) >= 8


@pytest.mark.parametrize(
    "platform, module, extra",
    [(DockerPlatform, "docker.errors", "docker"), (KubernetesPlatform, "kubernetes_asyncio", "kubernetes")],
)
async def test_a_missing_extra_is_one_line_with_the_fix(
    platform: Callable[[], HostsServices], module: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(CapabilityError, match=f"needs the extra `{extra}`, which is not installed") as error:
        await platform().inspect(Target(service="shop", environment="staging"))
    assert error.value.fix == f"pip install 'test-execution-system[{extra}]'"
