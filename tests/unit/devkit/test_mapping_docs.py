"""What docs/mappings.md and docs/connectors.md show is what the code takes."""

import re
from pathlib import Path

import pytest
from devkit.mapping import find_mapping, shipped_mappings, table_of
from intake.connectors import Hooks, shipped_connectors
from rapport.mapping import parse_hook, parse_table

DOCS = Path(__file__).parents[3] / "docs"
TEMPLATE = """call,number,line,topic,state,began,answered,ended,waited,due,agent
7,0301-1,hotline,billing,ended,02.03.2026 09:00,02.03.2026 09:02,02.03.2026 09:09,120,,17
8,,bot,,gone,02.03.2026 09:05,,02.03.2026 09:06,60,,
"""


def blocks(page: str) -> list[str]:
    text = (DOCS / page).read_text("utf-8")
    found = re.findall(r"^( *)```yaml\n(.*?)^ *```$", text, re.DOTALL | re.MULTILINE)
    return [re.sub(f"^{indent}", "", block, flags=re.MULTILINE) for indent, block in found]


def test_the_mapping_that_the_page_shows_is_sound():
    assert len(parse_table(blocks("mappings.md")[0], "docs").events) == 2


def test_the_hooks_file_and_the_connector_that_the_page_shows_are_sound(tmp_path, monkeypatch):
    for variable in ("ZENDESK_SECRET", "ZENDESK_US_SECRET"):
        monkeypatch.setenv(variable, "s")
    hooks, connector = blocks("connectors.md")
    parse_hook(connector, "docs")
    (tmp_path / "pbx.yaml").write_text(connector, "utf-8")
    (tmp_path / "hooks.yaml").write_text(hooks, "utf-8")
    assert {"zendesk", "zendesk-us", "calls"} <= set(Hooks(tmp_path / "hooks.yaml").names)


@pytest.mark.parametrize("name", shipped_connectors())
def test_every_connector_is_on_the_page(name):
    assert f"| {name} |" in (DOCS / "connectors.md").read_text("utf-8")


@pytest.mark.parametrize("name", shipped_mappings())
def test_every_mapping_is_sound_and_on_the_page(name):
    assert find_mapping(name).about
    assert f"`{name}`" in (DOCS / "mappings.md").read_text("utf-8")


def test_the_template_reads_the_file_that_it_describes(tmp_path):
    file = tmp_path / "calls.csv"
    file.write_text(TEMPLATE, "utf-8")
    table = table_of(file, find_mapping("template"))
    assert table.odd == []
    assert [one.event["type"] for one in table.made] == [
        "contact.received", "contact.responded", "contact.received", "contact.abandoned", "contact.resolved",
    ]  # fmt: skip
