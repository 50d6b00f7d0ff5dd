"""A Prefect flow of as many empty tasks as a release has: `python benchmarks/_bare_flow.py SIDE_BY_SIDE IN_A_ROW`.

What Prefect itself costs on this server and machine; nothing of this project is imported. Prints JSON: seconds to
import it, seconds of the flow.
"""

import time

began = time.perf_counter()

import asyncio  # noqa: E402
import json  # noqa: E402
import sys  # noqa: E402

from prefect import flow, task  # noqa: E402


@task
async def nothing(number: int) -> int:
    return number


@flow(name="bare", persist_result=False)
async def bare(side_by_side: int, in_a_row: int) -> None:
    await asyncio.gather(*(nothing(number) for number in range(side_by_side)))
    for number in range(in_a_row):
        await nothing(number)


if __name__ == "__main__":
    imported = time.perf_counter()
    asyncio.run(bare(*map(int, sys.argv[1:])))
    print(json.dumps({"import": imported - began, "flow": time.perf_counter() - imported}))
