import hashlib
import json
import smtplib

import pytest
import yaml
from devkit.errors import CommandFailed
from devkit.platform import KeyRing, MailSink
from devkit.stack import StackError
from devkit.target import url_and_key
from rapport.runtime.keys import Keys


def test_keys_stay_the_same_for_a_folder_and_differ_between_folders(tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    assert KeyRing.of(tmp_path) == KeyRing.of(tmp_path)
    assert KeyRing.of(tmp_path).emit != KeyRing.of(other).emit


def test_the_services_know_hashes_only_and_each_key_has_its_role(tmp_path):
    ring = KeyRing.of(tmp_path)
    text = KeyRing.file(tmp_path).read_text()
    assert not any(secret in text for secret in ring.model_dump().values())
    assert hashlib.sha256(ring.watch.encode()).hexdigest() in {line["sha256"] for line in yaml.safe_load(text)["keys"]}
    keys = Keys(KeyRing.file(tmp_path))
    for role in ("emit", "watch", "act", "admin"):
        key = keys.find(getattr(ring, role))
        assert key is not None
        assert key.may(role)
    assert (tmp_path / "keys.json").stat().st_mode & 0o077 == 0


def test_keys_that_can_not_be_read_are_not_replaced_unasked(tmp_path):
    (tmp_path / "keys.json").write_text("{}")
    with pytest.raises(StackError, match="remove it to have new keys"):
        KeyRing.of(tmp_path)


def test_the_mail_sink_keeps_every_mail_and_goes_on_counting_after_a_restart(tmp_path):
    for _ in range(2):
        with MailSink(tmp_path) as sink, smtplib.SMTP(sink.url.removeprefix("smtp://")) as smtp:
            smtp.sendmail("care@example.org", ["rossi@example.net"], "Subject: Hello\r\n\r\nGrüße".encode())
    first, second = sorted(tmp_path.glob("*.eml"))
    assert (first.name, second.name) == ("000001.eml", "000002.eml")
    assert b"X-Envelope-To: rossi@example.net" in first.read_bytes()


def test_a_command_speaks_to_what_it_is_given_else_to_the_platform_that_runs_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAPPORT_KEY", raising=False)
    assert url_and_key("intake", "emit", "http://there/", "k") == ("http://there", "k")
    with pytest.raises(CommandFailed, match="give --url and --key"):
        url_and_key("intake", "emit", None, None)
    (tmp_path / ".rapport").mkdir()
    running = {"intake": "http://here", "keys": {"emit": "local"}}
    (tmp_path / ".rapport" / "platform.json").write_text(json.dumps(running))
    assert url_and_key("intake", "emit", None, None) == ("http://here", "local")
