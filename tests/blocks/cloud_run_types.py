"""Holds what is sent to Google's own types: what they do not know, or would read otherwise, is an error."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from google.cloud import logging_v2, run_v2, secretmanager_v1
from google.longrunning import operations_pb2
from google.protobuf import json_format

TYPES: Mapping[str, Any] = {
    "Service": run_v2.types.Service,
    "Revision": run_v2.types.Revision,
    "Job": run_v2.types.Job,
    "Execution": run_v2.types.Execution,
    "Task": run_v2.types.Task,
    "RunJob": run_v2.types.RunJobRequest,
    "CancelExecution": run_v2.types.CancelExecutionRequest,
    "Secret": secretmanager_v1.types.Secret,
    "SecretVersion": secretmanager_v1.types.SecretVersion,
    "AddSecretVersion": secretmanager_v1.types.AddSecretVersionRequest,
    "ListLogEntries": logging_v2.types.ListLogEntriesRequest,
}


class Unknown(Exception):
    """Google's type cannot be made of it."""


def read(kind: str, body: Any) -> dict[str, Any]:
    """The body as that type says it again, without what is left at its default. Unknown where it is none."""
    if kind == "Operation":
        message = json_format.ParseDict(body, operations_pb2.Operation(), ignore_unknown_fields=False)
        return dict(json_format.MessageToDict(message))
    try:
        message = TYPES[kind].from_json(json.dumps(body), ignore_unknown_fields=False)
    except json_format.ParseError as error:
        raise Unknown(f"{kind}: {error}") from error
    said = json_format.MessageToDict(TYPES[kind].pb(message))
    return dict(said)
