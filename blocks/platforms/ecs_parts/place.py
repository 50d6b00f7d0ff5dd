"""One target on ECS: its charter in DynamoDB, its rule on the load balancer, a service for each release."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from blocks.platforms.chartered import Seen, Stale
from blocks.platforms.ecs_parts import balancer as balancers
from blocks.platforms.ecs_parts import (
    belongings,
    copies,
    jobs,
    rule,
    secrets,
    services,
    target_groups,
    task_definition,
)
from blocks.platforms.ecs_parts.aws import Aws
from blocks.platforms.ecs_parts.balancer import Balancer
from blocks.platforms.ecs_parts.errors import Said
from blocks.platforms.ecs_parts.names import Names
from blocks.platforms.ecs_parts.notebook import Notebook
from blocks.platforms.ecs_parts.rule import Rule
from blocks.platforms.ecs_parts.setup import Setup
from domain.charter import Charter, Placed
from domain.errors import Rejected, Unavailable
from domain.place import CopyState, Job, JobResult, Release, Target

_TELLS = 10  # how often a rule is told again because the charter is another by then


@dataclass
class Known:
    """What a block has learnt and what does not change: it is asked once. A rule and a group are asked anew when AWS
    does not know them any more."""

    balancer: Balancer | None = None
    rules: dict[Target, str] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)


class EcsPlace:
    """As `chartered.Place`."""

    seats = 1000  # as many targets as one load balancer takes

    def __init__(self, aws: Aws, setup: Setup, target: Target, known: Known) -> None:
        self.aws, self.setup, self.target, self.known = aws, setup, target, known
        self.names = Names(target, setup.installation)
        self.notebook = Notebook(aws, setup.table, self.names)

    async def begun(self) -> bool:
        return await self.notebook.read() is not None

    async def begin(self) -> None:
        await self.notebook.begin()

    async def charter(self) -> Charter:
        charter = await self.notebook.read()
        if charter is None:
            raise Rejected(f"{self.target} is not there", fix="acquire its lease first: that begins it")
        return charter

    async def prepare(self, release: Release) -> None:
        """Rejected where the cluster or the listener is not there, where Fargate has no such size, or where secrets and
        logs have no role. A target group that somebody took away from a release with traffic is put back: until then
        the rule cannot be told what was decided."""
        task_definition.composed(self.setup, self.names.of(release), release)
        if not self.setup.execution_role_arn and (release.secrets or self.setup.log_group):
            raise Rejected(
                f"{release.version} has secrets or logs, and ECS needs a role for them",
                fix="set the block's `execution_role_arn`",
            )
        await self.balancer()
        answer = await self.aws.call("ecs", "DescribeClusters", clusters=[self.setup.cluster])
        if not any(one["status"] == "ACTIVE" for one in answer["clusters"]):
            raise Rejected(
                f"there is no cluster {self.setup.cluster} in {self.setup.region}",
                fix="create the cluster, or correct the block's `cluster`",
            )
        here = (await self.charter()).of(release.version)
        if here is not None and here.weight:
            await self._group(release)

    async def balancer(self) -> Balancer:
        if self.known.balancer is None:
            self.known.balancer = await balancers.of_listener(self.aws, self.setup)
        return self.known.balancer

    async def look(self) -> Seen:
        charter = await self.charter()
        names = {one.release.version: self.names.of(one.release) for one in charter.releases}
        if not names:
            told = await self._rule()
            return Seen(charter, agrees=told is None or not told.weights)
        there, told, balancer = await asyncio.gather(
            services.described(self.aws, self.setup.cluster, list(names.values())), self._rule(), self.balancer()
        )
        for one in there.values():
            for group in one.get("loadBalancers", []):
                self.known.groups[one["serviceName"]] = group["targetGroupArn"]
        looks = await asyncio.gather(*(self._look(one, there, told) for one in charter.releases))
        every: dict[str, tuple[CopyState, ...]] = {}
        troubles: dict[str, str] = {}
        since: dict[str, float] = {}
        for placed, seen in zip(charter.releases, looks, strict=True):
            version = placed.release.version
            every[version] = seen.copies
            if seen.trouble:
                troubles[version] = seen.trouble
            since[version] = seen.began or placed.since + self.setup.start_seconds
        return Seen(
            charter,
            every,
            troubles,
            address=balancers.address(balancer, self.setup, self.target),
            agrees=told is not None and dict(told.weights) == self._wanted(charter, told, sure=False),
            since=since,
        )

    async def _look(self, placed: Placed, there: Mapping[str, Mapping[str, object]], told: Rule | None) -> copies.Look:
        release, name = placed.release, self.names.of(placed.release)
        service = there.get(name)
        if service is None or service["status"] != "ACTIVE":
            return copies.at(release, None, [], [], {})
        running = await services.tasks(self.aws, self.setup.cluster, name)
        group = self.known.groups.get(name)
        health = await target_groups.health(self.aws, group) if group else {}
        seen = copies.at(release, service, running, [], health)
        if len(running) >= release.replicas and all(one.healthy for one in seen.copies):
            return seen
        ended = await services.tasks(self.aws, self.setup.cluster, name, "STOPPED")
        return copies.at(release, service, running, ended, health)

    async def swap(self, seen: Seen, charter: Charter) -> None:
        if charter is not seen.charter:
            await self.notebook.swap(seen.charter.serial, charter)
        if not seen.agrees or rule.shares(charter, self.names) != rule.shares(seen.charter, self.names):
            await self.tell(charter)

    async def tell(self, charter: Charter) -> None:
        """The rule shares requests as the newest charter says. ELB compares nothing: two clients' words may arrive in
        another order than they were decided in. Whoever has told looks whether something newer was decided meanwhile,
        and tells that."""
        for _ in range(_TELLS):
            try:
                await self._tell(charter)
            except Said as error:
                if "NotFound" not in error.code:
                    raise
                self.known.groups.clear()
                self.known.rules.clear()
                continue
            newest = await self.notebook.read()
            if newest is None or newest.serial == charter.serial:
                return
            charter = newest
        raise Unavailable(f"{self.target} is changed by others all the time")

    async def _tell(self, charter: Charter) -> None:
        told = await self._rule()
        for placed in charter.releases:
            name = self.names.of(placed.release)
            if name not in self.known.groups:
                arn = told.arns.get(name) if told is not None else None
                arn = arn or await target_groups.arn_of(self.aws, name)
                if arn is not None:
                    self.known.groups[name] = arn
        wanted = self._wanted(charter, told)
        if told is None and not wanted or told is not None and dict(told.weights) == wanted:
            return
        told = await rule.tell(self.aws, self.setup, self.names, told, wanted, self.known.groups)
        self.known.rules[self.target] = told.arn

    def _wanted(self, charter: Charter, told: Rule | None, sure: bool = True) -> dict[str, int]:
        """The weights for groups that exist. A release that was just decided on has none before it is started;
        Unavailable for one with traffic that has none, where they are to be told."""
        shares = rule.shares(charter, self.names)
        there = self.known.groups.keys() | (told.arns.keys() if told is not None else set())
        for name, weight in shares.items():
            if sure and weight and name not in there:
                raise Unavailable(
                    f"the target group {name} of {self.target} is gone", fix="provision that release again"
                )
        return {name: weight for name, weight in shares.items() if name in there}

    async def _rule(self) -> Rule | None:
        told = await rule.find(self.aws, self.setup, self.names, self.known.rules.get(self.target))
        if told is not None:
            self.known.rules[self.target] = told.arn
        return told

    async def start(self, placed: Placed, values: Mapping[str, str]) -> None:
        release, name, tags = placed.release, self.names.of(placed.release), self.names.tags(placed.release)
        definition = await self._definition(release, values)
        arn = await self._group(release)
        # Before the service: ECS refuses a group that no load balancer knows.
        await self.tell(await self._with_room(release))
        service = services.composed(self.setup, name, release, definition, arn)
        await services.ensure(self.aws, service, tags)

    async def _group(self, release: Release) -> str:
        name = self.names.of(release)
        group = target_groups.composed(name, release, (await self.balancer()).vpc)
        arn = await target_groups.ensure(self.aws, group, release.drain, self.names.tags(release))
        self.known.groups[name] = arn
        return arn

    async def _with_room(self, release: Release) -> Charter:
        """A charter whose shares name the release. One that was kept warm and is asked for again is the last that was
        asked for: another one gives it its room in the rule."""
        while True:
            charter = await self.charter()
            here = charter.of(release.version)
            if here is None or self.names.of(release) in rule.shares(charter, self.names):
                return charter
            asked = here.model_copy(update={"since": time.time()})
            releases = tuple(asked if one is here else one for one in charter.releases)
            with contextlib.suppress(Stale):
                await self.notebook.swap(charter.serial, charter.changed(releases=releases))

    async def _definition(self, release: Release, values: Mapping[str, str]) -> str:
        name, tags = self.names.of(release), self.names.tags(release)
        secret = await secrets.ensure(self.aws, name, values, tags)
        definition = task_definition.composed(self.setup, name, release, secret)
        return await task_definition.ensure(self.aws, definition, tags)

    async def tidy(self) -> None:
        charter = await self.charter()
        wanted = {self.names.of(one.release) for one in charter.releases}
        left = await belongings.found(self.aws, self.setup, self.names.prefix, self.names.owns, wanted)
        if left.names():
            await self.tell(charter)
            await self._removed(left)

    async def _removed(self, left: belongings.Belongings, drained: bool = True) -> None:
        await belongings.remove(self.aws, self.setup, left, drained)
        for name in left.names():
            self.known.groups.pop(name, None)

    async def end(self) -> None:
        """The rule goes first: nobody is sent to what is ending. The charter last: until then it can be said again."""
        while True:
            charter = await self.charter()
            with contextlib.suppress(Stale):
                await self.notebook.swap(charter.serial, charter.changed(releases=(), stable=None))
                break
        told = await self._rule()
        if told is not None:
            await rule.remove(self.aws, told.arn)
            self.known.rules.pop(self.target, None)
        every = await belongings.found(self.aws, self.setup, self.names.prefix, self.names.owns, (), young=0.0)
        await self._removed(every, drained=False)
        await self.notebook.end()

    async def run(self, release: Release, job: Job, values: Mapping[str, str]) -> JobResult:
        """What was made for the job alone goes with it."""
        await self.prepare(release)
        name, began = self.names.of(release), time.monotonic()
        request = jobs.composed(self.setup, await self._definition(release, values), release, job)
        try:
            result = await jobs.run(self.aws, self.setup, name, request, job, self.names.tags(release))
        finally:
            if name not in {self.names.of(one.release) for one in (await self.charter()).releases}:
                await task_definition.remove(self.aws, name)
                await secrets.remove(self.aws, name)
        return result.model_copy(update={"seconds": time.monotonic() - began})
