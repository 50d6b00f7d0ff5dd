"""Container images, with whichever docker client and engine are here. Argv only; `tasks/image.py` runs it.

Clients differ: since 23.0 one builds with BuildKit through its buildx plugin, which may be missing; before, BuildKit
was built in; the old builder is what is left. (Docker documentation, "Build with BuildKit", "docker build".)
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from domain.errors import ReportError, ToolError, Unavailable
from domain.supply import Source
from domain.verdict import Value
from toolchain.command import Command, Ran

TOOL = "docker"
_ID = re.compile(r"sha256:[0-9a-f]{64}")
_BUILTIN_BUILDKIT = range(18, 23)


class Engine(Value):
    """A client on PATH whose engine answers. `buildkit` tells whether this client can build with it."""

    client: str
    client_version: str
    version: str
    buildx: bool = False

    @property
    def buildkit(self) -> bool:
        major = self.client_version.partition(".")[0]
        return self.buildx or major.isdigit() and int(major) in _BUILTIN_BUILDKIT

    def __str__(self) -> str:
        builder = "BuildKit" if self.buildkit else "the old builder (no buildx)"
        return f"{self.client} {self.client_version} on engine {self.version}, with {builder}"


class Image(Value):
    """What is to be built. `tag` is name:version; an empty `platform` is the engine's own."""

    context: Path
    dockerfile: str
    tag: str
    build_args: dict[str, str] = {}
    labels: dict[str, str] = {}
    platform: str = ""
    out: Path
    timeout: float = 900.0

    @property
    def id_file(self) -> Path:
        return self.out / "image-id"


def ask_version(client: str) -> Command:
    """Which versions client and engine are. The template, since old clients do not know `--format json`."""
    return Command(argv=(client, "version", "--format", "{{json .}}"), timeout=20.0)


def ask_buildx(client: str) -> Command:
    """Whether there is a buildx plugin: exit code 0."""
    return Command(argv=(client, "buildx", "version"), timeout=20.0)


def parse_version(ran: Ran, buildx: bool) -> Engine | None:
    """The engine, or None when none answered."""
    try:
        said: dict[str, Any] = json.loads(ran.stdout.read_bytes())
        client, server = said["Client"]["Version"], (said.get("Server") or {})["Version"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if ran.exit_code != 0 or not server:
        return None
    return Engine(client=ran.argv[0], client_version=str(client), version=str(server), buildx=buildx)


def best(engines: Sequence[Engine]) -> Engine | None:
    """The first that can build with BuildKit, else the first."""
    return next((engine for engine in engines if engine.buildkit), engines[0] if engines else None)


def labels(source: Source, version: str) -> dict[str, str]:
    """What the image says of itself (OCI image specification, annotations). No date: it would change every digest."""
    known = {"title": source.project, "version": version, "revision": source.revision or ""}
    said = {f"org.opencontainers.image.{key}": value for key, value in known.items() if value}
    return said | {"io.test-execution-system.source": source.digest}


def tag(name: str, version: str, platform: str = "") -> str:
    """name:version, as a registry takes it; with a platform, name:version-arm64-v8."""
    path = re.sub(r"[^a-z0-9._/-]+", "-", name.lower()).strip("-._/") or "image"
    suffix = "-" + "-".join(platform.split("/")[1:]) if platform else ""
    return f"{path}:{re.sub(r'[^A-Za-z0-9_.-]', '-', version + suffix)[:128].lstrip('.-')}"


def _pairs(option: str, values: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(part for key, value in sorted(values.items()) for part in (option, f"{key}={value}"))


def build(engine: Engine, image: Image) -> Command:
    """Build one image for one platform. .dockerignore is the client's own business: the context is the source."""
    platform = ("--platform", image.platform) if image.platform else ()
    progress = ("--progress", "plain") if engine.buildkit else ()
    return Command(
        argv=(
            *(engine.client, "build", *progress, "--file", str(image.context / image.dockerfile)),
            *("--tag", image.tag, "--iidfile", str(image.id_file), *platform),
            *_pairs("--build-arg", image.build_args),
            *_pairs("--label", image.labels),
            str(image.context),
        ),
        # SOURCE_DATE_EPOCH: BuildKit dates files and image by it, where it is new enough (0.11).
        environment={"DOCKER_BUILDKIT": "1" if engine.buildkit else "0", "SOURCE_DATE_EPOCH": "0"},
        timeout=image.timeout,
        report=image.id_file,
        creates=(image.out,),
    )


def inspect(engine: Engine, reference: str) -> Command:
    """What the engine knows of an image."""
    return Command(argv=(engine.client, "image", "inspect", "--format", "{{json .}}", reference), timeout=60.0)


def parse_id(file: Path) -> str:
    """The id that a build wrote. ReportError when there is none, whatever the build's exit code was."""
    try:
        text = file.read_text().strip()
    except FileNotFoundError:
        text = ""
    if not _ID.fullmatch(text):
        raise ReportError(f"docker build ended without an image id ({text[:80]!r})", fix="look at the build's log")
    return text


def parse_inspect(ran: Ran) -> tuple[str, int]:
    """An image's id and size in bytes. ReportError when the engine does not have it."""
    try:
        said: dict[str, Any] = json.loads(ran.stdout.read_bytes())
        return str(said["Id"]), int(said["Size"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReportError(f"the engine does not have the image: {ran.tail(200)}", fix="build it again") from error


def retag(engine: Engine, image: str, name: str) -> Command:
    """Give an image another name."""
    return Command(argv=(engine.client, "tag", image, name), timeout=60.0)


def push(engine: Engine, name: str, timeout: float) -> Command:
    """Push one image. Credentials are docker's own (docker login, a credential helper)."""
    return Command(argv=(engine.client, "push", name), timeout=timeout)


def manifest(engine: Engine, name: str, parts: Sequence[str]) -> Command:
    """Make one name for the images of several platforms, which must have been pushed."""
    return Command(argv=(engine.client, "manifest", "create", *_plain(name), "--amend", name, *parts), timeout=120.0)


def push_manifest(engine: Engine, name: str) -> Command:
    """Push the name of several platforms, and forget it here."""
    return Command(argv=(engine.client, "manifest", "push", *_plain(name), "--purge", name), timeout=300.0)


def ask_registry(engine: Engine, name: str) -> Command:
    """What a registry has under a name."""
    return Command(argv=(engine.client, "manifest", "inspect", *_plain(name), "--verbose", name), timeout=60.0)


def _plain(name: str) -> tuple[str, ...]:
    # The engine speaks plain HTTP with a registry on this machine; the client's own manifest commands are to be told.
    host = name.partition("/")[0].rpartition(":")[0] or name.partition("/")[0]
    return ("--insecure",) if host == "localhost" or host.startswith("127.") else ()


def parse_registry(ran: Ran) -> tuple[str, str] | None:
    """The digest that the registry has under the name, and the id of the image it is ("" of several platforms'); None
    when there is nothing. ReportError when neither can be read out of the answer."""
    if ran.exit_code != 0:
        if re.search(r"no such manifest|manifest unknown|name unknown|not found", _said(ran), re.IGNORECASE):
            return None
        raise ReportError(f"the registry's answer cannot be read: {trouble(ran)}", fix="try docker manifest inspect")
    try:
        found: Any = json.loads(ran.stdout.read_bytes())
        if isinstance(found, list):
            return "", ""
        manifest = found.get("SchemaV2Manifest") or found.get("OCIManifest") or {}
        return str(found["Descriptor"]["digest"]), str(manifest["config"]["digest"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReportError(
            f"the registry's answer cannot be read: {error}", fix="try docker manifest inspect"
        ) from error


_REFUSED = re.compile(
    r"unauthorized|denied|no basic auth credentials|authentication required|insufficient_scope|403 Forbidden", re.I
)
_UNREACHABLE = re.compile(
    r"connection refused|no such host|i/o timeout|context deadline exceeded|network is unreachable|no route to host"
    r"|connection reset|x509|tls: |server gave HTTP response to HTTPS client|server misbehaving",
    re.I,
)


def refusal(ran: Ran, host: str) -> ToolError | Unavailable | None:
    """What keeps us out of a registry, in a line: it does not know us, or it does not answer. None of other trouble."""
    said = [line.strip() for line in _said(ran).splitlines() if line.strip()]
    for pattern, what, fix, kind in (
        (
            _REFUSED,
            "does not let us in",
            f"docker login {host}, or set build.registry_username and _password",
            ToolError,
        ),
        (
            _UNREACHABLE,
            "cannot be reached",
            "check build.registry, the network, and the registry's certificate",
            Unavailable,
        ),
    ):
        if line := next((line for line in said if pattern.search(line)), None):
            return kind(f"the registry {host} {what}: {line[:300]}", fix=fix)
    return None


def _said(ran: Ran) -> str:
    return ran.stderr.read_text("utf-8", "replace") + ran.stdout.read_text("utf-8", "replace")


def ask_images(engine: Engine) -> Command:
    """The ids of all images that the engine has."""
    return Command(argv=(engine.client, "image", "ls", "--all", "--quiet", "--no-trunc"), timeout=60.0)


def parse_images(ran: Ran) -> frozenset[str]:
    """The ids; none when the engine did not say."""
    return frozenset(_ID.findall(ran.stdout.read_text("utf-8", "replace"))) if ran.exit_code == 0 else frozenset()


def parse_digest(ran: Ran) -> str:
    """The digest under which the registry keeps what was pushed: docker prints it last."""
    found = _ID.findall(ran.stdout.read_text("utf-8", "replace"))
    if not found:
        raise ReportError(f"docker push named no digest: {ran.tail(200)}", fix="look whether the registry took it")
    return str(found[-1])


def trouble(ran: Ran) -> str:
    """The lines in which a build says why it failed."""
    text = _said(ran)
    said = [line.strip() for line in text.splitlines() if re.match(r"^(ERROR|error|failed|Error|unauthorized)\b", line)]
    return "; ".join(dict.fromkeys(said[-3:])) or ran.tail(400)
