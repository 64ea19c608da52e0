"""One local stack, from its first process to its last.

Invariants: one stack a directory; a service starts as soon as what it stands on is there, in no order among services;
`stack.json` is there exactly while everything has been ready; whatever ends the stack, its processes end with it.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import httpx

from deploy.local.certificates import issue_certificates
from deploy.local.child import tail
from deploy.local.config import StackConfig
from deploy.local.database import database_url, prepare_database
from deploy.local.demo import USER_ID, Account, mint_accounts, register_accounts
from deploy.local.engines import (
    declare_stream,
    manage_nats,
    manage_postgres,
    manage_sandbox,
    manage_service,
)
from deploy.local.errors import StackError
from deploy.local.layout import Layout, write_json
from deploy.local.leftovers import end_leftovers, record_children
from deploy.local.lock import hold
from deploy.local.migrations import migrate
from deploy.local.ports import LOOPBACK, choose_port, refusal, reserve
from deploy.local.processes import (
    NATS,
    POSTGRES,
    SANDBOX,
    SERVICES,
    Service,
    Surroundings,
    all_replicas,
    replicas_of,
)
from deploy.local.readiness import open_client, read_readiness
from deploy.local.startup import STARTING, STARTUP_LINES, announce_startup
from deploy.local.supervisor import Supervisor
from deploy.local.survey import survey
from deploy.local.token import mint_token

START_TIMEOUT_SECONDS = 180.0
RENEWAL_SECONDS = 3600.0


class Stack:
    """The processes of one directory. `announce` prints a line for the person at the console."""

    def __init__(self, config: StackConfig, announce: Callable[[str], None]) -> None:
        self._config = config
        self._announce = announce
        self._layout = Layout(config.directory)
        self._supervisor = Supervisor(announce, self._processes_changed, liveness=config.liveness)
        self._accounts: list[Account] = []
        self._migrating = asyncio.Lock()
        self._reserved = ExitStack()
        self._around: Surroundings | None = None

    async def run(self, stopping: asyncio.Event) -> None:
        """Start everything and keep it running until `stopping`. Raises StackError where it cannot be started."""
        self._layout.prepare()
        with hold(self._layout.lock_file):
            self._layout.stack_file.unlink(missing_ok=True)
            for name in await end_leftovers(self._layout):
                self._announce(f"{name} was left behind by a stack that was killed: ended")
            reason = refusal(self._config.gateway_port, self._config.gateway_host)
            if reason is not None:
                raise StackError(f"{reason}: stop it, or choose another port (make run GATEWAY_PORT={choose_port()})")
            try:
                self._reserve(self._config.gateway_port)
                async with open_client() as client:
                    if await _until(stopping, self._start(client)):
                        await _until(stopping, self._keep())
            finally:
                await self._stop()

    async def _start(self, client: httpx.AsyncClient) -> None:
        """Start everything, side by side; returns when all of it is ready."""
        clock = asyncio.get_running_loop().time
        began = clock()
        self._announce(STARTING)
        around = survey(self._config, self._layout, datetime.now(UTC))
        self._reserve(*around.ports.values())

        async def read_serving() -> frozenset[str]:
            ports = [around.ports[replica.admin] for replica in all_replicas(self._config)]
            answers = await asyncio.gather(*(read_readiness(client, port) for port in ports))
            return frozenset[str]().union(*(answer.serving for answer in answers))

        try:
            async with asyncio.timeout(START_TIMEOUT_SECONDS), asyncio.TaskGroup() as tasks:
                database = tasks.create_task(self._start_database(around))
                messages = tasks.create_task(self._start_nats(around))
                sandbox = tasks.create_task(self._start_sandbox(around, client))
                for service in SERVICES:
                    tasks.create_task(self._start_service(around, service, client, (database, messages, sandbox)))
                tasks.create_task(announce_startup(read_serving, self._announce))
        except* StackError as group:
            raise _first(group) from None
        except* TimeoutError:
            raise self._late(await read_serving()) from None
        if self._accounts:
            await register_accounts(client, self._config.gateway_url, self._token(around, "user"), self._accounts)
        self._around = around
        self._processes_changed()
        self._welcome(clock() - began)

    async def _start_database(self, around: Surroundings) -> None:
        if not self._config.database_url:
            await self._supervisor.start(manage_postgres(around))
        await prepare_database(around.database_url, around.secrets.database_passwords)

    async def _start_nats(self, around: Surroundings) -> None:
        if not self._config.nats_url:
            await self._supervisor.start(manage_nats(around))
        await declare_stream(around.nats_url)

    async def _start_sandbox(self, around: Surroundings, client: httpx.AsyncClient) -> None:
        if not self._config.live:
            await self._supervisor.start(manage_sandbox(around, client))
            self._accounts = await mint_accounts(client, around.sandbox_url, self._layout)

    async def _start_service(
        self,
        around: Surroundings,
        service: Service,
        client: httpx.AsyncClient,
        needs: tuple[asyncio.Task[None], asyncio.Task[None], asyncio.Task[None]],
    ) -> None:
        database, *others = needs
        await asyncio.shield(database)
        await migrate(around, service, self._migrating)
        for other in others:
            await asyncio.shield(other)
        replicas = replicas_of(service, self._config)
        for replica in replicas[1:]:
            self._layout.rotate_log(replica.name)
        await asyncio.gather(*(self._supervisor.start(manage_service(around, one, client)) for one in replicas))

    async def _keep(self) -> None:
        """Keep the certificates young for as long as the processes run."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._supervisor.watch())
            while True:
                await asyncio.sleep(RENEWAL_SECONDS)
                issue_certificates(self._layout.certificates, datetime.now(UTC))

    async def _stop(self) -> None:
        """Stop the services first, then what they stand on."""
        self._layout.stack_file.unlink(missing_ok=True)
        self._around = None
        if self._supervisor.pids:
            self._announce("Stopping...")
        await self._supervisor.stop([replica.name for replica in all_replicas(self._config)])
        await self._supervisor.stop([SANDBOX, NATS, POSTGRES])
        self._layout.children_file.unlink(missing_ok=True)
        self._reserved.close()
        self._announce(f"Tandem has stopped; its data is kept in {self._layout.root}")

    def _reserve(self, *ports: int) -> None:
        """Keep ports for the processes that will listen there, until the stack ends."""
        for port in ports:
            holder = reserve(port)
            if holder is not None:
                self._reserved.callback(holder.close)

    def _processes_changed(self) -> None:
        """Write down what runs, and where, for scripts and for the next start."""
        record_children(self._layout, self._supervisor.pids)
        if self._around is not None:
            write_json(self._layout.stack_file, self._describe(self._around))

    def _describe(self, around: Surroundings) -> dict[str, Any]:
        return {
            "gateway": self._config.gateway_url,
            "gateways": [
                around.gateway_url(replica) for replica in all_replicas(self._config) if not replica.service.serves_grpc
            ],
            "sandbox": None if self._config.live else around.sandbox_url,
            "database": database_url(around.database_url),
            "nats": around.nats_url,
            "tokens": {"user": self._token(around, "user"), "admin": self._token(around, "admin")},
            "accounts": {
                account.exchange: {"apiKey": account.api_key, "secret": account.secret} for account in self._accounts
            },
            "processes": self._supervisor.pids,
            "admin": {
                replica.name: f"http://{LOOPBACK}:{around.ports[replica.admin]}"
                for replica in all_replicas(self._config)
            },
        }

    def _token(self, around: Surroundings, role: Any) -> str:
        return mint_token(around.secrets.jwt_secret, USER_ID, role, datetime.now(UTC))

    def _late(self, serving: frozenset[str]) -> StackError:
        missing = next((line.health for line in STARTUP_LINES if line.health not in serving), "the stack")
        log_file = self._layout.log(missing.partition(".")[0])
        shown = "\n".join(f"    {line}" for line in tail(log_file).splitlines())
        return StackError(f"{missing} was not ready in {START_TIMEOUT_SECONDS:.0f} s. The end of {log_file}:\n{shown}")

    def _welcome(self, seconds: float) -> None:
        url = self._config.gateway_url
        for line in (
            f"Tandem is ready in {seconds:.1f} s: {url}",
            "  token    make -s token [USER_ID=demo] [ROLE=user|admin]",
            f'  try      curl -H "Authorization: Bearer $(make -s token)" {url}/api/positions/current',
            f"  scripts  {self._layout.stack_file}    logs  {self._layout.log('<process>')}",
        ):
            self._announce(line)


async def _until(stopping: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """Do the work until it is done or the stack is to stop; returns whether it was done. Raises what it raises."""
    task = asyncio.create_task(work)
    stop = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait([task, stop], return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            return False
        task.result()
        return True
    finally:
        stop.cancel()
        task.cancel()
        await asyncio.gather(task, stop, return_exceptions=True)


def _first(group: BaseExceptionGroup[StackError]) -> StackError:
    """The first failure of several: the others mostly follow from it."""
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
