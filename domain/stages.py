"""The pipeline's stages, in a module of their own that imports nothing: the command's words are made of them."""

from __future__ import annotations

# The order of the pipeline; `tes release --from STAGE` names one of these.
STAGES = ("build", "scan", "tests", "load", "deploy", "verify")
