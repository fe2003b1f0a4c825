"""
Makes the figures anew from the journal, on one replica at a time; after a crash another goes on where it was.

What is played and how far it has come are written in one transaction. docs/decisions/0006.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Final, NoReturn

from rapport.decision import Counted, Decision, Ref, States
from rapport.runtime import telemetry
from rapport.runtime.clock import Clock, backoff, others_first
from rapport.runtime.editions import Epochs
from rapport.runtime.lease import Lease
from rapport.runtime.mongo import Database, MongoError, is_conflict
from rapport.runtime.patience import Patience
from rapport.runtime.store import Store, is_refusal

from metrics.comparing import Comparing
from metrics.domain import CustomerFact, JournalEntry
from metrics.domain.erasing import Erasure
from metrics.domain.replay import FIGURES, Replay, with_what_was_told
from metrics.pages_of_journal import JournalPages, Place
from metrics.recompute import Overtaken, Recompute, Run
from metrics.store import prepare_hours
from metrics.wakes import woken_since

log = telemetry.logger()

_AT_ONCE: Final = 500
"""Entries in a transaction."""
SMALL: Final = 500
"""What may be left to play while nobody folds: a fraction of a second's work."""
_EVERY: Final = 1.0
_KEEP_UP_EVERY: Final = timedelta(seconds=10)
_READ_ON: Final = timedelta(seconds=60)
"""So long who began to read the former figures may go on."""
_STEPS_AT_ONCE: Final = 16
_TRIES: Final = 200
_ERASED: Final = "customer.erased"


class Outdated(Exception):
    """What has been played is not in the journal any more."""


class _TooMuch(Exception):
    """More has come than may be played while nobody folds."""


class Replaying:
    def __init__(self, store: Store, recompute: Recompute, database: Database, clock: Clock) -> None:
        self._store = store
        self._recompute = recompute
        self._clock = clock
        self._lease = Lease(database, "recompute", clock)
        self._epochs = Epochs(database)
        self._journal = JournalPages(store)
        self._patiently = Patience("metrics", clock)

    async def for_ever(self) -> NoReturn:
        await self._patiently.piece_by_piece("recompute", self.advance, rest=_EVERY)

    async def advance(self) -> bool:
        """Do the next piece of what there is to do; answers whether there may be more at once."""
        await self._store.look_which_stands()
        run = await self._recompute.read()
        if run is None or run.tidied or await self._lease.held() is None:
            return False
        try:
            return await self._piece(run)
        except Overtaken:
            return True
        except MongoError as error:
            if is_conflict(error):
                return True
            if not is_refusal(error):
                raise
            return await self._fail(run, error)
        except Exception as error:  # noqa: BLE001 - told in the run; the figures that stand are as they were
            return await self._fail(run, error)

    async def _piece(self, run: Run) -> bool:
        if not run.is_under_way:
            return await self._tidy(run)
        if not run.cleared and self._clock.now() - run.started_at > _READ_ON:
            await self._drop_others(run, keep=run.edition)
            await self._recompute.write(run, cleared=True)
            return True
        match run.phase:
            case "epoch":
                return await self._begin(run)
            case "play":
                await self._play(run)
            case "compare":
                await self._compare(run)
            case "rest":
                return await self._look_what_is_left(run)
        return True

    async def _begin(self, run: Run) -> bool:
        """Have all that comes from here on told apart from what is played next."""
        if run.playing == 0:
            if await self._store.find(Erasure, {"erasing": True}, limit=1):
                return False
            new = self._store.of_edition(run.edition)
            await new.prepare_kinds()
            await prepare_hours(new)
        await self._epochs.begin(run.epoch)
        entries = run.entries or await self._journal.entries()
        await self._recompute.write(run, phase="play", place=None, entries=entries)
        return True

    async def _play(self, run: Run) -> None:
        place = Place(*run.place) if run.place else Place()
        entries, after = await self._journal.page(run.playing, before=run.first, after=place, most=_AT_ONCE)
        if not entries:
            await self._recompute.write(run, phase="rest")
            return
        states, counts = await self._played(run, entries)
        async with self._store.transaction() as session:
            progress = {"place": list(after), "played": run.played + len(entries), "played_at": self._clock.now()}
            await self._recompute.write(run, session, **progress)
            await self._store.of_edition(run.edition).add(states, counts, session)

    async def _played(self, run: Run, entries: Sequence[JournalEntry]) -> tuple[States, list[tuple[int, Counted]]]:
        if any(entry.type == _ERASED and entry.epoch >= run.first for entry in entries):
            raise Outdated("a customer was erased meanwhile, of whom something may have been played: begin again")
        replay = Replay(entries)
        states = await self._store.of_edition(run.edition).load(replay.touches())
        for count, _ in enumerate(replay.decide(states, self._clock.now()), 1):
            if count % _STEPS_AT_ONCE == 0:
                await others_first()
        await self._tell_nothing_anew(states, [state for state in states.changed if isinstance(state, CustomerFact)])
        return states, replay.counts

    async def _tell_nothing_anew(self, states: States, customers: Sequence[CustomerFact]) -> None:
        """Whatever changes what they were told after this is in the journal, or was due to wake."""
        live = await self._store.load([Ref(CustomerFact, customer.id) for customer in customers])
        states.apply(Decision(tuple(with_what_was_told(customers, live))))

    async def _look_what_is_left(self, run: Run) -> bool:
        left = await self._journal.taken_in(run.epoch, most=SMALL + 1)
        woken = await self._woken(run)
        if len(woken) > SMALL:
            await self._carry_over(run, woken)
        elif run.state == "swapping" and left <= SMALL:
            await self._swap(run)
        elif run.state == "running" and left <= SMALL:
            await self._recompute.write(run, phase="compare")
        elif run.state == "compared" and (not left or not self._is_time_to_keep_up(run)):
            return False
        else:
            await self._recompute.write(run, epoch=run.epoch + 1, playing=run.epoch, phase="epoch")
        return True

    def _is_time_to_keep_up(self, run: Run) -> bool:
        since = run.played_at or run.started_at
        return self._clock.now() - since > _KEEP_UP_EVERY

    async def _woken(self, run: Run) -> list[str]:
        new = self._store.of_edition(run.edition)
        return await woken_since(self._store, new, self._clock.now(), most=SMALL + 1)

    async def _carry_over(self, run: Run, names: Sequence[str]) -> None:
        states = await self._with_what_was_told(run, names)
        async with self._store.transaction() as session:
            await self._recompute.write(run, session)
            await self._store.of_edition(run.edition).add(states, (), session)

    async def _with_what_was_told(self, run: Run, names: Sequence[str]) -> States:
        states = await self._store.of_edition(run.edition).load([Ref(CustomerFact, name) for name in names])
        await self._tell_nothing_anew(states, list(states.of(CustomerFact)))
        return states

    async def _compare(self, run: Run) -> None:
        async def go_on() -> None:
            now = await self._recompute.read()
            if await self._lease.held() is None or now is None or now.step != run.step:
                raise Overtaken

        new = self._store.of_edition(run.edition)
        comparison = await Comparing(self._store, new, self._journal, run.epoch, go_on).compare()
        now = self._clock.now()
        await self._recompute.write(run, state="compared", phase="rest", comparison=comparison.shown(), compared_at=now)

    async def _swap(self, run: Run) -> None:
        """
        Have the new edition stand, with all that was taken in until this instant.

        Whoever would fold meanwhile finds the rows taken, reads them again, and folds into the new edition.
        """
        waits = backoff(0.002, 0.1)
        for _ in range(_TRIES):
            try:
                await self._swap_now(run)
            except _TooMuch:
                await self._recompute.write(run, epoch=run.epoch + 1, playing=run.epoch, phase="epoch")
                return
            except MongoError as error:
                if not is_conflict(error):
                    raise
                await self._clock.sleep(next(waits))
            else:
                log.info("swapped the figures", edition=run.edition, by=run.swap_by)
                return

    async def _swap_now(self, run: Run) -> None:
        new = self._store.of_edition(run.edition)
        async with self._store.transaction() as session:
            await self._epochs.switch(run.edition, session)
            entries, _ = await self._journal.page(run.epoch, before=run.first, after=Place(), most=SMALL)
            woken = await self._woken(run)
            if len(woken) > SMALL or await self._journal.taken_in(run.epoch, most=SMALL + 1) > len(entries):
                raise _TooMuch
            told = await self._with_what_was_told(run, woken)
            await new.add(told, (), session)
            states, counts = await self._played(run, entries)
            await new.add(states, counts, session)
            played = run.played + len(entries)
            await self._recompute.write(run, session, state="swapped", played=played, ended_at=self._clock.now())

    async def _fail(self, run: Run, error: Exception) -> bool:
        log.error("the recompute failed", edition=run.edition, exc_info=error)
        told = f"{type(error).__name__}: {error}"[:1000]
        with suppress(Overtaken):
            await self._recompute.write(run, state="failed", error=told, ended_at=self._clock.now())
        return True

    async def _tidy(self, run: Run) -> bool:
        """Drop the copies that do not stand, when nobody can be reading them any more."""
        await self._epochs.end(run.epoch)
        if run.ended_at and self._clock.now() - run.ended_at < _READ_ON:
            return False
        await self._drop_others(run)
        await self._recompute.write(run, tidied=True)
        return True

    async def _drop_others(self, run: Run, keep: int | None = None) -> None:
        """Drop the editions up to this run's that do not stand; later ones are of a run that we know nothing of."""
        for edition in range(run.edition + 1):
            if edition not in (self._store.editions.current, keep):
                for name in FIGURES:
                    await self._store.of_edition(edition).collection(name).drop()
