"""Settings of the process: `TES_*` environment variables.

What a team wants is in tes.yaml, what we talk to in blocks.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Each field is `TES_` and its name in capitals."""

    model_config = SettingsConfigDict(env_prefix="TES_", extra="ignore")

    home: Path = Field(Path("~/.local/state/tes"), description="state of the embedded runtime and the local platform")
    database_url: str | None = Field(None, description="records; SQLite under home when not set")
    service_port: int = Field(8000, description="the API service's port; the next free one when it is taken")
    prefect_api_url: str | None = Field(None, description="a Prefect server to use instead of the embedded one")
    osv_url: str | None = Field(None, description="an OSV service for pip_audit to ask instead of PyPI's")
    trivy_db_repository: str | None = Field(None, description="an OCI registry that holds Trivy's database")
    trivy_cache_dir: str | None = Field(None, description="where Trivy's database lies or is put")
    docker_proxy_image: str = Field(
        "haproxy:2.8", description="the proxy of the platform docker, where its block says none"
    )
    docker_installation: str = Field(
        "tes", description="begins the names on a Docker engine, where the block says none"
    )
    actor: str | None = Field(None, description="who acts, for the audit log; the login name when not set")
    deployers: str | None = Field(
        None, description="names, with commas, whose yes to a release counts; everybody's when not set"
    )

    @property
    def state(self) -> Path:
        """`home`, absolute."""
        return self.home.expanduser().absolute()

    @property
    def deployer_names(self) -> tuple[str, ...]:
        """Those whose yes counts; empty: everybody."""
        return tuple(filter(None, (name.strip() for name in (self.deployers or "").split(","))))

    @property
    def scanner_options(self) -> dict[str, str]:
        """What the scanners are told beyond the project's own wishes."""
        options = {
            "osv_url": self.osv_url,
            "db_repository": self.trivy_db_repository,
            "cache_dir": self.trivy_cache_dir,
        }
        return {key: value for key, value in options.items() if value}

    @property
    def records_url(self) -> str:
        """SQLAlchemy URL of the records."""
        return self.database_url or f"sqlite:///{self.state / 'records.db'}"


def settings() -> Settings:
    """Read anew at each call: tests and child processes change the environment."""
    return Settings()
