"""The people of the demo: systems that send what happens, customers who answer their surveys."""

import random
import re
import threading
import time
from collections.abc import Iterable
from datetime import datetime
from email import message_from_bytes, policy
from pathlib import Path
from typing import Final

import httpx

from devkit.platform import MailSink
from devkit.sending import Sender, Sent
from devkit.traffic import Told

_TICK: Final = 0.1
_SURVEY: Final = re.compile(r"https?://\S+/s/[^\s?<>\"]+")
_ANSWERING: Final = 0.7
_PATIENCE: Final = 600.0
"""Seconds: where intake is killed again and again, it is away for long on a slow machine."""
_SETTLED: Final = {httpx.codes.OK, httpx.codes.ACCEPTED, httpx.codes.GONE}


class Worker(threading.Thread):
    """A thread that keeps what went wrong in it for whoever looks."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.error: Exception | None = None
        self._stop_asked = threading.Event()

    def run(self) -> None:
        try:
            self.work()
        except Exception as error:  # noqa: BLE001 - raised again by `check`
            self.error = error

    def work(self) -> None:
        raise NotImplementedError

    def check(self) -> None:
        if self.error:
            raise self.error

    def finish(self) -> None:
        """Ask it to end after what it is at, and wait for that."""
        self._stop_asked.set()
        self.join()
        self.check()

    def rest(self, seconds: float) -> bool:
        """Whether to go on after a rest."""
        return not self._stop_asked.wait(max(0.0, seconds))


class Emitters(Worker):
    """Sends everything when its time has come; `sent` is what became of it."""

    def __init__(self, told: Iterable[Told], start: datetime, url: str, key: str) -> None:
        super().__init__("emitters")
        self._told = iter(told)
        self._start = start
        self._url, self._key = url, key
        self.sent = Sent()
        self.done = 0

    def work(self) -> None:
        began = time.monotonic()
        following = next(self._told, None)
        with Sender(self._url, self._key, patience=_PATIENCE) as sender:
            while following is not None:
                due, now = [], time.monotonic() - began
                while following is not None and following.sent <= now:
                    due.append(following.event(self._start))
                    following = next(self._told, None)
                self.sent.add(sender.send(due))
                self.done += len(due)
                if not self.rest(_TICK):
                    return


class Respondents(Worker):
    """Reads the mails that come, and answers most of the surveys in them. `asked`: links by the follow-up's id."""

    def __init__(self, mail: MailSink, seed: int) -> None:
        super().__init__("respondents")
        self._mail = mail
        self._chance = random.Random(seed)
        self._read: set[Path] = set()
        self.asked: dict[str, str] = {}
        self.answered: set[str] = set()
        self.withdrawn: set[str] = set()

    def work(self) -> None:
        with httpx.Client(timeout=20.0, trust_env=False) as client:
            while self.rest(_TICK):
                for mail in self._mail.mails:
                    if mail not in self._read:
                        self._read.add(mail)
                        self._open(client, mail)

    def _open(self, client: httpx.Client, mail: Path) -> None:
        found = survey_in(mail.read_bytes())
        if found is None or found[0] in self.asked:
            return
        followup_id, link = found
        self.asked[followup_id] = link
        if self._chance.random() > _ANSWERING:
            return
        form = {"score": str(self._chance.choice([1, 2, 3, 4, 4, 5, 5, 5])), "comment": "From the demo."}
        while True:
            try:
                status = client.post(link, data=form).status_code
            except httpx.TransportError:
                status = 0
            if status in _SETTLED:
                (self.withdrawn if status == httpx.codes.GONE else self.answered).add(link)
                return
            if not self.rest(0.3):
                return


def survey_in(mail: bytes) -> tuple[str, str] | None:
    """The follow-up that a mail belongs to, by its Message-ID, and the address of its survey; None in other mails."""
    message = message_from_bytes(mail, policy=policy.default)
    text = message.get_body(preferencelist=("plain",))
    found = _SURVEY.search(text.get_content()) if text else None
    return (str(message["Message-ID"]).strip("<> ").rpartition("@")[0], found[0]) if found else None
