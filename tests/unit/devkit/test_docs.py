from rapport.contracts import EVENT_DATA

from devkit import docs


def test_every_event_and_every_field_of_it_is_documented():
    page = docs.events_page()
    for event_type, model in EVENT_DATA.items():
        section = page.partition(f"### {event_type}\n")[2].partition("\n### ")[0]
        assert all(f"| `{name}` |" in section for name in model.model_fields), event_type


def test_every_service_has_its_settings():
    page = docs.settings_page()
    assert page.count("| `KAFKA_BOOTSTRAP_SERVERS` |") == 1
    for name in ("RAPPORT_POLICY", "RAPPORT_PLAYS", "RAPPORT_ACK_TIMEOUT"):
        assert f"| `{name}` |" in page


def test_a_page_that_differs_from_the_code_is_told_with_the_difference(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(docs, "ROOT", tmp_path)
    (tmp_path / "docs").mkdir()
    assert docs.main([]) == 0
    assert docs.main(["--check"]) == 0
    page = tmp_path / "docs" / "settings.md"
    page.write_text(page.read_text().replace("`8001`", "`9001`"))
    assert docs.main(["--check"]) == 1
    said = capsys.readouterr().err
    assert "docs/settings.md is not what the code says: run `make docs`" in said
    assert "+| `RAPPORT_PORT` | `8001`" in said
