import httpx
import pytest
from devkit.errors import CommandFailed
from devkit.target import Api, url_and_key


def test_an_address_and_a_key_that_are_given_are_taken():
    assert url_and_key("intake", "emit", "http://intake.example:8001/", "k") == ("http://intake.example:8001", "k")


@pytest.mark.parametrize("url", ["nonsense", "127.0.0.1:8001", "ftp://intake", "http://", "http://intake:port"])
def test_what_is_no_address_is_told_in_one_line(url: str):
    with pytest.raises(CommandFailed, match="is no address"):
        url_and_key("intake", "emit", url, "k")


def test_a_key_that_no_header_can_carry_is_told_in_one_line():
    with pytest.raises(CommandFailed, match="the key has characters"):
        url_and_key("intake", "emit", "http://intake", "schlüssel")


def test_a_page_of_somebody_else_is_no_answer(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(httpx, "request", lambda *_, **__: httpx.Response(200, text="<html>welcome</html>"))
    with pytest.raises(CommandFailed, match="is another service there"):
        Api("metrics", "watch", "http://shop.example", "k").get("/v1/events")
