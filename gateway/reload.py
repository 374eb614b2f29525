"""Reads the mine's folder again while the gateway runs, and has the core take it over.

Everything that takes time is done off the event loop, while the old configuration runs: reading,
checking, compiling, building what the core needs anew. What is left is a swap between two steps.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import structlog

from equipment.toml_source import ConfigurationError, Mistake
from gateway.config.bundle import Bundle, load
from gateway.config.comparison import compare, unchangeable
from gateway.config.schema import MINE_FILE
from gateway.desk import Desk, DeskClosedError
from gateway.folder_watch import Stamp, folder_changed, stamp_of
from gateway.inbox import Inbox
from gateway.mine.change import Act, Answer
from gateway.mine.plan import MinePlan
from gateway.mine.prepared import Reload, prepare
from gateway.serve.configuration import ReloadOutcome
from positioning.warm_up import warm_up

#: Mistakes that one event names; the log and the answer to a client have all.
MISTAKES_TOLD: Final = 8

#: Outcomes that are remembered for requests that come again: a day of an engineer's work.
OUTCOMES_MOST: Final = 100

log = structlog.get_logger()


@dataclass(slots=True)
class Order:
    """What the next step's end has to do: take over `bundle`, or tell that it is refused.

    `answered` is there where an operator waits, `done` is set when all is stored.
    """

    reload: Reload
    bundle: Bundle | None
    answered: asyncio.Future[Answer] | None
    done: asyncio.Future[None]


class Reloader:
    """One reload at a time, for whoever asks. On the event loop; reads in a thread of its own."""

    def __init__(
        self,
        bundle: Bundle,
        desk: Desk,
        inbox: Inbox,
        plan_of: Callable[[Bundle], MinePlan],
        has_answered: Callable[[str], Awaitable[bool]],
    ) -> None:
        """`has_answered` says whether the core has answered a request before."""
        self._bundle = bundle
        self._desk = desk
        self._inbox = inbox
        self._plan_of = plan_of
        self._has_answered = has_answered
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="reload")
        self._lock = asyncio.Lock()
        self._order: Order | None = None
        self._outcomes: dict[str, ReloadOutcome] = {}
        self._closed = False
        self._tasks: set[asyncio.Task[ReloadOutcome]] = set()
        #: How the files were before they were read last; None: they may have changed since.
        self.stamp: Stamp | None = None

    @property
    def bundle(self) -> Bundle:
        """What runs now."""
        return self._bundle

    def take(self) -> Order | None:
        """What is to be done now, once."""
        order, self._order = self._order, None
        return order

    async def reload(self, act: Act | None, why: str) -> ReloadOutcome:
        """Reads the folder again; returns when the outcome is stored. `why` is for the log.

        Raises:
            DeskFullError: too many acts wait.
            DeskClosedError: the gateway is stopping.
        """
        # Whoever asks may go meanwhile: what has begun is finished.
        task = asyncio.create_task(self._reload(act, why))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    async def _reload(self, act: Act | None, why: str) -> ReloadOutcome:
        async with self._lock:
            if self._closed:
                raise DeskClosedError
            if act and await self._has_answered(act.request_id):
                return await self._again(act)
            log.info("reading the configuration again", why=why)
            loop = asyncio.get_running_loop()
            outcome, bundle, reload = await loop.run_in_executor(self._thread, self._read, act)
            _log(outcome, bundle)
            if bundle and not outcome.changes:
                answer = await self._desk.ask(act) if act else None
            else:
                answer = await self._hand_over(bundle, reload)
            outcome = ReloadOutcome(outcome.mistakes, outcome.changes, answer)
            if act:
                self._outcomes[act.request_id] = outcome
                while len(self._outcomes) > OUTCOMES_MOST:
                    del self._outcomes[next(iter(self._outcomes))]
            return outcome

    def close(self) -> None:
        """Tells whoever waits that the gateway stops."""
        self._closed = True
        order = self.take()
        if order and not order.done.done():
            order.done.set_exception(DeskClosedError())
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _again(self, act: Act) -> ReloadOutcome:
        """The outcome of a request that comes again; nothing is read."""
        answer = await self._desk.ask(act)
        before = self._outcomes.get(act.request_id)
        if before:
            return ReloadOutcome(before.mistakes, before.changes, answer)
        wrong = (Mistake("", 0, "", answer.refusal),) if answer.refusal else ()
        return ReloadOutcome(wrong, (), answer)

    async def _hand_over(self, bundle: Bundle | None, reload: Reload) -> Answer | None:
        """Has the core do it after the step that comes next; the answer where there is an act."""
        answered = self._desk.expect(reload.act) if reload.act else None
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._order = Order(reload, bundle, answered, done)
        self._inbox.wake()
        await done
        if bundle:
            self._bundle = bundle
        return await answered if answered else None

    def _read(self, act: Act | None) -> tuple[ReloadOutcome, Bundle | None, Reload]:
        """Off the event loop; no bundle where it is refused."""
        before = self._bundle
        self.stamp = stamp_of(before.folder)
        try:
            bundle = load(before.folder)
            if before.given_port is not None:
                bundle = bundle.with_grpc_port(before.given_port)
            fixed = unchangeable(before, bundle)
            if fixed:
                raise ConfigurationError(Mistake(MINE_FILE, 0, "", text) for text in fixed)
            changes = tuple(compare(before.texts, bundle.texts))
            plan = self._plan_of(bundle)
            prepared = prepare(self._plan_of(before), plan)
            machines = prepared.machines
            fences, nearness = machines.fences is not None, machines.nearness is not None
            if prepared.locator or prepared.zones or fences or nearness:
                warm_up(plan.map, plan.tracker, fences=fences, nearness=nearness)
        except ConfigurationError as error:
            return _refused(error.mistakes, act)
        except Exception as error:
            log.error("reading the configuration again has failed", exc_info=error)
            problem = f"it can't be used: {type(error).__name__}: {error}"
            return _refused((Mistake(str(before.folder), 0, "", problem),), act)
        listed = "; ".join(map(str, changes))
        text = f"configuration {bundle.label} instead of {before.label}: {listed}"
        return ReloadOutcome((), changes), bundle, Reload(text, prepared, act)


def _refused(mistakes: tuple[Mistake, ...], act: Act | None) -> tuple[ReloadOutcome, None, Reload]:
    shown = "; ".join(map(str, mistakes[:MISTAKES_TOLD]))
    more = len(mistakes) - MISTAKES_TOLD
    also = f"; and {more} more" if more > 0 else ""
    text = f"the configuration is refused and that of before goes on: {shown}{also}"
    return ReloadOutcome(mistakes), None, Reload(text, None, act)


def _log(outcome: ReloadOutcome, bundle: Bundle | None) -> None:
    if bundle is None:
        mistakes = [str(mistake) for mistake in outcome.mistakes]
        log.warning("the configuration is refused: that of before goes on", mistakes=mistakes)
    elif outcome.changes:
        changes = [str(change) for change in outcome.changes]
        log.info("the configuration changes", configuration=bundle.label, changes=changes)
    else:
        log.info("the configuration is as it was", configuration=bundle.label)


async def reload_when_asked(reloader: Reloader, again: asyncio.Event) -> None:
    """Reloads whenever `again` is set, and when files change where the mine wants that."""
    while True:
        waits = asyncio.create_task(again.wait())
        watch = asyncio.create_task(_watch(reloader))
        try:
            await asyncio.wait({waits, watch}, return_when=asyncio.FIRST_COMPLETED)
            why = "a file has changed" if watch.done() else "a signal asks"
        finally:
            waits.cancel()
            watch.cancel()
        again.clear()
        try:
            await reloader.reload(None, why)
        except DeskClosedError:
            return


async def _watch(reloader: Reloader) -> None:
    """Ends when files have changed; never where nobody wants to know."""
    if reloader.bundle.settings.reload.on_change:
        await folder_changed(reloader.bundle.folder, reloader.stamp)
    else:
        await asyncio.Event().wait()
