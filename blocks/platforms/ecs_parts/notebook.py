"""Where charters lie: a table of DynamoDB, one item a target, written only over the one that was read."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from blocks.platforms.chartered import Stale
from blocks.platforms.ecs_parts.aws import Aws
from blocks.platforms.ecs_parts.errors import Said
from blocks.platforms.ecs_parts.names import Names, large
from domain.charter import Charter
from domain.errors import Rejected, Unavailable
from domain.place import Target

_LARGEST = 390_000  # bytes; an item may have 400 kB
_PATIENCE = 60.0  # seconds until a new table can be written


class Notebook:
    """Of one target."""

    def __init__(self, aws: Aws, table: str, names: Names) -> None:
        self.aws, self.table, self.names = aws, table, names

    async def read(self) -> Charter | None:
        """The newest; None where the target was never begun, or the table is not there yet."""
        try:
            answer = await self.aws.call(
                "dynamodb", "GetItem", TableName=self.table, Key=_key(self.names), ConsistentRead=True
            )
        except Said as error:
            if error.code == "ResourceNotFoundException":
                return None
            raise
        item = answer.get("Item")
        return None if item is None else _charter(item, self.table)

    async def begin(self) -> None:
        """There is a charter, and a table for it."""
        if await self.read() is not None:
            return
        request = write(self.table, self.names, Charter(target=self.names.target), None)
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                await self.aws.call("dynamodb", "PutItem", **request)
                return
            except Said as error:
                if error.code == "ConditionalCheckFailedException":
                    return  # somebody else has begun it
                if error.code != "ResourceNotFoundException":
                    raise
            await self._table()
            if time.monotonic() > deadline:
                raise Unavailable(f"the table {self.table} is not ready after {_PATIENCE:g} s")
            await asyncio.sleep(0.5)

    async def swap(self, serial: int, charter: Charter) -> None:
        """The charter takes the place of the one with that serial. Stale when it is another by now."""
        try:
            await self.aws.call("dynamodb", "PutItem", **write(self.table, self.names, charter, serial))
        except Said as error:
            if error.code == "ConditionalCheckFailedException":
                raise Stale(error.message) from error
            raise

    async def end(self) -> None:
        """The target was never begun."""
        await self.aws.call("dynamodb", "DeleteItem", TableName=self.table, Key=_key(self.names))

    async def _table(self) -> None:
        try:
            await self.aws.call("dynamodb", "CreateTable", **table(self.table, self.names.installation))
        except Said as error:
            if error.code != "ResourceInUseException":  # it is being created
                raise
        except Rejected as error:
            raise Rejected(
                f"the table {self.table} for charters is not there, and cannot be created: {error.message}",
                fix="create it with the string keys `installation` (hash) and `target` (range), or allow "
                "dynamodb:CreateTable",
            ) from error


async def charters(aws: Aws, table: str, installation: str) -> list[Charter]:
    """Of every target of an installation."""
    request = {
        "TableName": table,
        "ConsistentRead": True,
        "KeyConditionExpression": "#installation = :installation",
        "ExpressionAttributeNames": {"#installation": "installation"},
        "ExpressionAttributeValues": {":installation": {"S": installation}},
    }
    try:
        items = await aws.pages("dynamodb", "Query", "Items", **request)
    except Said as error:
        if error.code == "ResourceNotFoundException":
            return []
        raise
    return [_charter(item, table) for item in items]


def write(table: str, names: Names, charter: Charter, serial: int | None) -> dict[str, Any]:
    """A PutItem that succeeds only over that serial; over nothing where it is None. Rejected for one that is too
    large."""
    text = charter.model_dump_json()
    if len(text.encode()) > _LARGEST:
        raise Rejected(
            f"the charter of {charter.target} has {len(text.encode())} bytes, and an item of DynamoDB takes 400 kB",
            fix="write smaller pages into the notebook",
        )
    item = {**_key(names), "serial": {"N": str(charter.serial)}, "charter": {"S": text}}
    # Names by placeholder: DynamoDB has some hundred reserved words.
    request: dict[str, Any] = {"TableName": table, "Item": item, "ExpressionAttributeNames": {"#serial": "serial"}}
    if serial is None:
        return request | {"ConditionExpression": "attribute_not_exists(#serial)"}
    return request | {
        "ConditionExpression": "#serial = :seen",
        "ExpressionAttributeValues": {":seen": {"N": str(serial)}},
    }


def table(name: str, installation: str) -> dict[str, Any]:
    """A CreateTable, paid by the request."""
    keys = (("installation", "HASH"), ("target", "RANGE"))
    return {
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": key, "AttributeType": "S"} for key, _ in keys],
        "KeySchema": [{"AttributeName": key, "KeyType": kind} for key, kind in keys],
        "Tags": large({"io.test-execution-system.installation": installation}),
    }


def _key(names: Names) -> dict[str, Any]:
    return {"installation": {"S": names.installation}, "target": {"S": _place(names.target)}}


def _place(target: Target) -> str:
    return f"{target.environment}/{target.service}"


def _charter(item: dict[str, Any], table: str) -> Charter:
    try:
        return Charter.model_validate_json(item["charter"]["S"])
    except (KeyError, ValueError) as error:
        raise Rejected(
            f"an item of the table {table} is no charter: {sorted(item)}",
            fix="restore it from a backup of the table; a newer version of this system may have written it",
        ) from error
