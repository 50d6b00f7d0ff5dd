"""The kinds of values that tes.yaml is made of, beside durations: names, shares, references."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
EnvKey = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Ratio = Annotated[float, Field(ge=0, le=1)]
# Where a secret is, never what it is: env:NAME, file:/path, block:secret-block-name.
SecretRef = Annotated[str, Field(pattern=r"^(env|file|block):.+$")]
