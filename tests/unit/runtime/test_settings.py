"""What is wrong with the environment is one line that names the variable."""

import pytest
from pydantic import TypeAdapter, ValidationError
from rapport.runtime.settings import Address, ApiKey, Settings, load

from tests.support.toy_service import environment_of, settings_for


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("RAPPORT_PORT", "eighty"),
        ("RAPPORT_PARTITIONS", "0"),
        ("RAPPORT_LIVE_WINDOW", "soon"),
        ("RAPPORT_LIVE_WINDOW", "-P1D"),
        ("RAPPORT_LIVE_WINDOW", "P999999999D"),
        ("RAPPORT_STUCK_AFTER", "PT0S"),
        ("RAPPORT_HOST", ""),
        ("RAPPORT_DATABASE_PREFIX", "rap.port"),
        ("RAPPORT_TOPIC_PREFIX", "a b"),
        ("RAPPORT_LOG_LEVEL", "LOUD"),
        ("RAPPORT_DEAD_LETTER_SHARE", "2"),
        ("KAFKA_BOOTSTRAP_SERVERS", "kafka:nine"),
        ("KAFKA_BOOTSTRAP_SERVERS", "kafka-1:9092,kafka-2:99999"),
        ("KAFKA_BOOTSTRAP_SERVERS", "http://kafka:9092"),
    ],
)
def test_a_wrong_setting_is_named_by_its_variable(monkeypatch, capsys, variable, value):
    monkeypatch.setenv(variable, value)
    with pytest.raises(SystemExit) as ended:
        load(Settings)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(f"cannot start: {variable}: ")
    assert said.count("\n") == 1
    assert value in said


@pytest.mark.parametrize("url", ["intake:8001", "ftp://intake", "http://", "http://intake:port", "http://in take"])
def test_an_address_is_one_of_a_web_server(url):
    with pytest.raises(ValidationError, match="is no address"):
        TypeAdapter(Address).validate_python(url)


def test_no_address_is_one_too_and_a_path_may_follow():
    for url in ("", "https://care.example.org/rapport", "http://[::1]:8001"):
        assert TypeAdapter(Address).validate_python(url) == url


@pytest.mark.parametrize("brokers", ["kafka", "kafka:9092", "k-1.example.org:9092, k-2:9093", "[::1]:9092"])
def test_brokers_are_hosts_with_or_without_a_port(brokers):
    assert Settings(kafka_bootstrap_servers=brokers).kafka_bootstrap_servers == brokers


class WithKey(Settings):
    intake_key: ApiKey | None = None


def test_a_key_is_taken_without_the_line_break_of_its_file(monkeypatch):
    monkeypatch.setenv("RAPPORT_INTAKE_KEY", "watch-key\n")
    key = load(WithKey).intake_key
    assert key is not None
    assert key.get_secret_value() == "watch-key"


def test_a_key_that_no_header_can_hold_is_refused_and_not_shown(monkeypatch, capsys):
    monkeypatch.setenv("RAPPORT_INTAKE_KEY", "schlüssel")
    with pytest.raises(SystemExit):
        load(WithKey)
    said = capsys.readouterr().err
    assert said == "cannot start: RAPPORT_INTAKE_KEY: has characters that no key can have\n"


def test_a_secret_is_not_shown():
    settings = Settings(secret="hush")
    assert "hush" not in repr(settings)


def test_the_environment_says_where_kafka_and_mongodb_are(monkeypatch):
    meant = settings_for("kafka:1", "mongodb://there", "x")
    for name, value in environment_of(meant).items():
        monkeypatch.setenv(name, value)
    settings = load(Settings)
    assert (settings.kafka_bootstrap_servers, settings.mongodb_uri) == ("kafka:1", "mongodb://there")
    assert (settings.topic_prefix, settings.partitions) == (meant.topic_prefix, meant.partitions)
