"""The environment `development`: a service on its developer's machine, by compose, else by the platform `local`."""

from __future__ import annotations

from typing import Any

from domain.spec import EnvironmentSpec, ReleaseSpec, Spec, Verify

NAME = "development"
PORT = 8000
COMPOSE_FILES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")


def including(spec: Spec, environment: str | None) -> Spec:
    """The spec with `development` in it where that is asked for and tes.yaml says nothing of it: one copy on this
    machine, all at once."""
    if environment != NAME or NAME in spec.environments:
        return spec
    place = EnvironmentSpec(platform="local", strategy="all_at_once", replicas=1, warm=0, verify=Verify(bake=1))
    return spec.model_copy(update={"environments": {**spec.environments, NAME: place}})


def compose_file(name: str, spec: Spec, root: str) -> dict[str, Any]:
    """A compose file of one service, built from the project's Dockerfile. Secrets stand in it by name alone: compose
    takes their values from its own environment."""
    how = spec.release or ReleaseSpec()
    port = how.port or PORT
    service: dict[str, Any] = {
        "build": {"context": root, "dockerfile": spec.build.dockerfile, "args": _plain(spec.build.build_args)},
        "ports": [f"127.0.0.1:{port}:{port}"],
        "environment": [
            *(f"{key}={value}" for key, value in _plain({"PORT": str(port), **how.environment}).items()),
            *how.secrets,
        ],
        "init": True,
    }
    if how.command:
        service["command"] = [_escaped(word.replace("${PORT}", str(port))) for word in how.command]
    return {"services": {name: service}}


def _plain(values: dict[str, str]) -> dict[str, str]:
    return {key: _escaped(value) for key, value in values.items()}


def _escaped(text: str) -> str:
    # Compose would put a variable of its own in.
    return text.replace("$", "$$")
