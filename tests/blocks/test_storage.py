"""A storage keeps what it is given, says what is not there, and tells in words why it cannot: a folder, fsspec, S3."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from blocks import storage
from blocks.storage import Storage, storage_named
from domain.errors import Rejected, TesError, Unavailable
from tests.blocks.aws_emulators import moto
from tests.blocks.stores import BLOCK, answering, s3, s3_client

S3 = pytest.mark.requires("moto", "ecs-worker")
KINDS = ["folder", "fsspec", pytest.param("s3", marks=S3)]
ONCE: dict[str, Any] = {"config": {"retries": {"max_attempts": 0}}}


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with moto(tmp_path_factory.mktemp("aws")) as address:
        yield address


@pytest.fixture
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "s3":
        return s3(request.getfixturevalue("aws"))
    if request.param == "folder":
        return await storage_named(str(tmp_path / "shared"))
    from prefect.filesystems import RemoteFileSystem

    return Storage(RemoteFileSystem(basepath=f"memory:/{tmp_path}"), "remote-file-system/shards")


every_kind = pytest.mark.parametrize("place", KINDS, indirect=True)


@every_kind
async def test_what_is_put_is_got_byte_for_byte_and_replaced_by_what_is_put_next(place: Storage) -> None:
    for content in (b"first", b"", bytes(range(256)), b"a line\r\n"):
        await place.put("r1/unit/1/1/order.json", content)
        assert await place.get("r1/unit/1/1/order.json") == content


@every_kind
async def test_what_nobody_put_is_absent_beside_what_somebody_put(place: Storage) -> None:
    assert await place.get("r1/unit/1/1/commit.json") is None
    await place.put("r1/unit/1/1/order.json", b"{}")
    assert await place.get("r1/unit/1/1/commit.json") is None
    assert await place.get("r1/unit/1/2/order.json") is None
    assert await place.get("order.json") is None


@every_kind
async def test_an_archive_of_many_parts_comes_back_whole(place: Storage) -> None:
    """boto3 sends what is over 8 MiB in parts, from several threads."""
    content = os.urandom(1 << 20) * 20 + b"the end"
    await place.put("sources/abc.tar.gz", content)
    assert await place.get("sources/abc.tar.gz") == content


@every_kind
async def test_names_are_told_apart_whatever_characters_they_hold(place: Storage) -> None:
    names = ["r1/a suite/1/1/x", "r1/a+suite/1/1/x", "r1/ä&%20/1/1/x", "r1/a%20suite/1/1/x", "tes/1/x"]
    for name in names:
        await place.put(name, name.encode())
    assert [await place.get(name) for name in names] == [name.encode() for name in names]


@S3
async def test_two_machines_with_a_block_each_see_the_same(aws: str) -> None:
    here = s3(aws)
    there = s3(aws, here._block.bucket_name)
    assert await there.get("r1/commit.json") is None
    await here.put("r1/commit.json", b"done")
    assert await there.get("r1/commit.json") == b"done"


def told(error: BaseException, *parts: str) -> None:
    """One sentence and a fix, for a person."""
    assert isinstance(error, TesError) and error.fix and BLOCK in error.message
    assert "Traceback" not in str(error) and "\n" not in error.message
    for part in parts:
        assert part in str(error), str(error)


@S3
async def test_a_bucket_that_does_not_exist_is_named_and_nothing_in_it_is_called_absent(aws: str) -> None:
    place = s3(aws, "nobodys-bucket")
    for asked in (place.get("x"), place.put("x", b"1")):
        with pytest.raises(Rejected) as refused:
            await asked
        told(refused.value, "has no bucket 'nobodys-bucket'", "bucket_name")


@pytest.fixture
def guarded(aws: str) -> Iterator[tuple[str, str, tuple[str, str]]]:
    """A server that asks for credentials: its address, a bucket, and keys that may only read and write objects."""
    bucket = s3(aws)._block.bucket_name
    iam = s3_client(aws, "iam")
    iam.create_user(UserName=bucket)
    key = iam.create_access_key(UserName=bucket)["AccessKey"]
    allowed = '{"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": "*"}'
    document = f'{{"Version": "2012-10-17", "Statement": [{allowed}]}}'
    iam.put_user_policy(UserName=bucket, PolicyName="objects", PolicyDocument=document)
    httpx.post(f"{aws}/moto-api/reset-auth", content=b"0").raise_for_status()
    yield aws, bucket, (key["AccessKeyId"], key["SecretAccessKey"])
    httpx.post(f"{aws}/moto-api/reset-auth", content=b"inf").raise_for_status()


@S3
async def test_credentials_that_are_wrong_are_refused_in_words_and_no_key_is_told(
    guarded: tuple[str, str, tuple[str, str]],
) -> None:
    address, bucket, (key, secret) = guarded
    wrong = ("AKIAIOSFODNN7WRONG00", "a-wrong-secret"), (key, "a-wrong-secret")
    for keys in wrong:
        place = s3(address, bucket, keys)
        for asked in (place.get("x"), place.put("x", b"1")):
            with pytest.raises(Rejected) as refused:
                await asked
            told(refused.value, "may not be", "credentials", "s3:ListBucket")
            assert "a-wrong-secret" not in str(refused.value) and keys[0] not in str(refused.value)


@S3
async def test_the_right_to_read_and_write_objects_is_enough(guarded: tuple[str, str, tuple[str, str]]) -> None:
    """To look at the bucket is another right: without it, what is absent is still absent."""
    address, bucket, keys = guarded
    place = s3(address, bucket, keys)
    assert await place.get("x") is None
    await place.put("x", b"1")
    assert await place.get("x") == b"1"


@S3
async def test_a_store_that_nobody_serves_does_not_answer(aws: str) -> None:
    place = s3("http://127.0.0.1:9", "shards", **ONCE)
    for asked in (place.get("x"), place.put("x", b"1")):
        with pytest.raises(Unavailable) as down:
            await asked
        told(down.value, "Could not connect", "tests.distribute.storage")


@S3
async def test_a_store_that_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """boto3 by itself waits a minute, five times."""
    monkeypatch.setattr(storage, "ANSWER_S", 0.5)
    with answering(b"", then_close=False) as address:
        place = s3(address, "shards", config={"read_timeout": 600})
        for asked in (place.get("x", 0.5), place.put("x", b"1")):
            with pytest.raises(Unavailable) as silent:
                await asked
            told(silent.value, "no answer in 0.5 s")


@S3
@pytest.mark.parametrize(
    "promised", [b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nETag: a\r\n\r\nhalf", b"HTTP/1.1 2", b""]
)
async def test_an_answer_that_is_cut_off_is_no_content(promised: bytes) -> None:
    with answering(promised, then_close=True) as address:
        place = s3(address, "shards", config={"retries": {"max_attempts": 0}, "read_timeout": 5})
        with pytest.raises(Unavailable) as cut:
            await place.get("x")
        told(cut.value, "cannot be read")


async def test_a_folder_that_one_may_not_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = await storage_named(str(tmp_path))

    class Block:
        async def read_path(self, path: str) -> bytes:
            raise PermissionError(13, "Permission denied")  # root, as whom tests may run, may read all

    monkeypatch.setattr(place, "_block", Block())
    with pytest.raises(Rejected, match="may not be read"):
        await place.get("x")


@pytest.mark.parametrize(
    ("attributes", "kind"),
    [
        ({"code": 403}, Rejected),  # google.api_core.exceptions.Forbidden
        ({"status_code": 401}, Rejected),  # azure.core.exceptions.HttpResponseError
        ({"status_code": 503}, Unavailable),
        ({"code": "AuthorizationFailure"}, Unavailable),
        ({}, Unavailable),
    ],
)
async def test_a_definite_no_of_another_sdk_is_not_asked_again(
    attributes: dict[str, object], kind: type[TesError]
) -> None:
    class Block:
        def write_path(self, path: str, content: bytes) -> None:
            error = RuntimeError("said so")
            error.__dict__.update(attributes)
            raise error

    with pytest.raises(kind, match="said so"):
        await Storage(Block(), BLOCK).put("x", b"1")
