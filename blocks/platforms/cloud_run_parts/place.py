"""One target: a Cloud Run service, whose revisions are the releases and whose annotations are the charter."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any

from blocks.platforms.chartered import Seen, Stale
from blocks.platforms.cloud_run_parts import conditions, manifest, notes
from blocks.platforms.cloud_run_parts.answers import Conflict, Missing
from blocks.platforms.cloud_run_parts.api import Api, until
from blocks.platforms.cloud_run_parts.found import Found
from blocks.platforms.cloud_run_parts.jobs import Jobs, drop
from blocks.platforms.cloud_run_parts.logs import Logs
from blocks.platforms.cloud_run_parts.manifest import Options
from blocks.platforms.cloud_run_parts.names import Names
from blocks.platforms.cloud_run_parts.secrets import Secrets
from domain.charter import Charter, Placed
from domain.errors import Rejected, Unavailable
from domain.place import Job, JobResult, Release

_log = logging.getLogger(__name__)
_TRIES = 20


class CloudRunPlace:
    """As chartered.Place. `parent` is `projects/<project>/locations/<region>`."""

    seats = 1000

    def __init__(
        self, names: Names, api: Api, parent: str, options: Options, secrets: Secrets, logs: Logs, slack: float
    ) -> None:
        self.names, self.api, self.options, self.secrets, self.logs = names, api, options, secrets, logs
        self.target, self.slack = names.target, slack
        self.services, self.name = f"{parent}/services", f"{parent}/services/{names.service}"
        self.jobs = Jobs(api, names, parent, options, secrets, logs, slack)
        self._found: Found | None = None  # what was read last

    async def begun(self) -> bool:
        try:
            await self._read()
        except Missing:
            return False
        return True

    async def begin(self) -> None:
        """A service with a neutral revision, which has all requests until a release is promoted."""
        if await self.begun():
            return
        what = f"beginning {self.target}"
        annotations = notes.written(Charter(target=self.target), {}, {})
        body = manifest.new_service(self.names, self.options, annotations)
        query = {"serviceId": self.names.service}
        try:
            made = await self.api.call("POST", f"v2/{self.services}", what, body=body, query=query)
            await self.api.done(made, what)
        except Conflict:
            await until(self._settled, self.api.patience, what)  # somebody else has begun it

    async def _settled(self) -> bool | None:
        return None if (await self._read()).service.get("reconciling") else True

    async def prepare(self, release: Release) -> None:
        if release.public_port is not None:
            raise Rejected(
                f"a port of {self.target} cannot be chosen: Cloud Run serves HTTPS at 443",
                fix="leave environments.<name>.port out",
            )

    async def charter(self) -> Charter:
        return (await self._read()).charter

    async def look(self) -> Seen:
        found = await self.found()
        failed = [name for name in found.wanted() if name in found.revisions and not found.there()[name]]
        words = {name: await self.logs.last_words(name) for name in failed}
        return found.looked(words, self.slack)

    async def swap(self, seen: Seen, charter: Charter) -> None:
        """Charter and traffic in one update, under the etag of what was read. Returns when Cloud Run has obeyed."""
        found = self._found
        if found is None or found.charter != seen.charter:
            found = await self._read()
            if found.charter != seen.charter:
                raise Stale
        moved = not seen.agrees or _shares(seen.charter) != _shares(charter)
        if moved and not found.revisions:
            found = Found(self.names, found.charter, found.service, await self._revisions())
        leaving = self._leaving(found, charter)
        traffic = manifest.traffic(charter, self.names, found.there(), leaving)
        foreign = found.service.get("annotations", {})
        body: dict[str, Any] = {"annotations": notes.written(charter, leaving, foreign)}
        if moved:
            body["traffic"] = traffic
        await self._patch(found, body, f"changing {self.target}")
        self._found = None
        if moved:
            await self._obeyed(traffic, charter.serial)

    def _leaving(self, found: Found, charter: Charter) -> dict[str, float]:
        """What loses its traffic with this charter has its release's time for the requests that it has."""
        now = time.time()
        leaving = found.leaving(now)
        for one in found.charter.releases:
            after = charter.of(one.release.version)
            if one.weight and not (after and after.weight):
                leaving[self.names.revision(one)] = now + one.release.drain
        return leaving

    async def _obeyed(self, traffic: list[dict[str, Any]], serial: int) -> None:
        what = f"moving the traffic of {self.target}"

        async def look() -> bool | None:
            found = await self._read()
            service, routes = found.service, conditions.of(found.service, "RoutesReady")
            if found.charter.serial != serial:
                # Somebody has decided since, on top of this; or the read is older than what was written.
                return True if found.charter.serial > serial else None
            if manifest.shared(traffic) == manifest.shared(service.get("trafficStatuses", [])):
                return True
            if routes.get("state") == "CONDITION_FAILED" and not service.get("reconciling"):
                raise Unavailable(f"Cloud Run, {what}: {routes.get('message', 'it does not obey')}")
            return None

        await until(look, self.api.patience, what)

    async def start(self, placed: Placed, secrets: Mapping[str, str]) -> None:
        """The release's revision exists, with a tag that keeps its instances. A failed one is replaced."""
        name, what = self.names.revision(placed), f"starting {placed.release.version} of {self.target}"
        kept: dict[str, tuple[str, str]] | None = None
        for attempt in range(_TRIES):
            found = await self.found()
            if name not in found.wanted():
                return  # somebody has taken it back meanwhile
            if name in found.revisions:
                if not conditions.failed(found.revisions[name]):
                    return
                try:
                    await self._park(found)
                except Stale:
                    await asyncio.sleep(0.02 * attempt)
                    continue
                await drop(self.api, f"{self.name}/revisions/{name}", what)
                found = await self.found()
            if kept is None:
                kept = await self.secrets.keep(self.names, self.names.tag(placed), secrets)
            body = {
                "template": manifest.template(self.names, placed, self.options, kept),
                "traffic": found.traffic(**{name: True}),
                **_differing(manifest.reach(self.options), found.service),
            }
            try:
                await self._patch(found, body, what)
                return
            except Stale:
                await asyncio.sleep(0.02 * attempt)
        raise Unavailable(f"{self.target} is changed by others all the time")

    async def tidy(self) -> None:
        """Revisions and secrets that the charter does not want are gone, after the time that they have for requests in
        flight. A service must have a template: a neutral one takes the place of the last release's."""
        while True:
            found = await self.found()
            unwanted = found.unwanted()
            now = time.time()
            pause = max((moment - now for name, moment in found.leaving(now).items() if name in unwanted), default=0.0)
            if pause <= 0:
                break
            await asyncio.sleep(pause)
        try:
            if found.newest in found.litter():
                await self._park(found)
                found = await self.found()
            elif found.busy():
                await self._patch(found, {"traffic": found.traffic()}, f"tidying {self.target}")
                await self._cleared()
        except Stale:
            return  # whoever came before tidies up as well
        for name in found.unwanted():
            if name != found.newest:
                await self._forget(found.revisions[name], name)

    async def _forget(self, revision: Mapping[str, Any], name: str) -> None:
        try:
            await drop(self.api, f"{self.name}/revisions/{name}", f"tidying {self.target}")
        except Rejected as error:
            # It has no traffic and no instance any more: the verb is done, and the next look tries again.
            _log.warning("%s", error.message)
            return
        for secret in manifest.secrets_of(revision):
            if secret.startswith(f"{self.names.service}-"):
                await self.secrets.drop(secret)

    async def _park(self, found: Found) -> None:
        """The service's template is a neutral one, under a name that was never used, and has no traffic."""
        rest = self.names.rest(int(time.time() * 1000))
        what = f"tidying {self.target}"
        body = {"template": manifest.neutral(rest, self.names, self.options), "traffic": found.traffic()}
        await self._patch(found, body, what)
        await self._cleared(rest)

    async def _cleared(self, rest: str = "") -> None:
        """Cloud Run has obeyed: what nobody wants has no tag, and the template's revision is there."""

        async def look() -> bool | None:
            now = await self.found()
            parked = rest in (*now.revisions, "") or now.newest != rest
            return True if parked and not now.busy() else None

        await until(look, self.api.patience, f"tidying {self.target}")

    async def end(self) -> None:
        await drop(self.api, self.name, f"disposing of {self.target}")
        await self.jobs.end()
        await self.secrets.forget(self.names)

    async def run(self, release: Release, job: Job, secrets: Mapping[str, str]) -> JobResult:
        return await self.jobs.run(release, job, secrets)

    async def found(self) -> Found:
        """The service with its charter, and all its revisions."""
        # Revisions first: one that is listed has its place in every charter that is read after it.
        revisions = await self._revisions()
        found = await self._read()
        self._found = Found(self.names, found.charter, found.service, revisions)
        return self._found

    async def _revisions(self) -> dict[str, dict[str, Any]]:
        found = await self.api.every(f"v2/{self.name}/revisions", "revisions", f"looking at {self.target}")
        return {one["name"].rpartition("/")[2]: one for one in found if not one.get("deleteTime")}

    async def _read(self) -> Found:
        """Missing where there is no service; Rejected where it is somebody else's."""
        service = await self.api.get(f"v2/{self.name}", f"looking at {self.target}")
        charter = notes.charter(service.get("annotations", {}))
        if charter is None or charter.target != self.target:
            raise Rejected(
                f"the Cloud Run service {self.names.service} is there and has no charter of {self.target}",
                fix="give the block another `installation`, or delete that service",
            )
        self._found = Found(self.names, charter, service)
        return self._found

    async def _patch(self, found: Found, body: Mapping[str, Any], what: str) -> None:
        """Stale when the service is another one than was read."""
        said = {"name": self.name, "etag": found.etag, **body}
        query = {"updateMask": ",".join(body)}
        try:
            await self.api.call("PATCH", f"v2/{self.name}", what, body=said, query=query)
        except Conflict as error:
            if "already exists" in error.message:
                raise Rejected(error.message, fix="give the release another version") from error
            raise Stale from error


def _differing(wanted: Mapping[str, Any], service: Mapping[str, Any]) -> dict[str, Any]:
    """What is not so yet; a field that is false is left out of an answer."""
    return {key: value for key, value in wanted.items() if service.get(key, False) != value}


def _shares(charter: Charter) -> list[tuple[str, int, float]]:
    return [(one.release.version, one.weight, one.since) for one in charter.releases]
