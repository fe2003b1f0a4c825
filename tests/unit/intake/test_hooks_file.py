from datetime import timedelta

import pytest
from intake.connectors import Hooks
from rapport.runtime.settings import Misconfigured


def hooks(tmp_path, text: str) -> Hooks:
    path = tmp_path / "hooks.yaml"
    path.write_text(text, "utf-8")
    return Hooks(path)


def test_without_a_file_every_shipped_connector_is_open_to_api_keys_and_to_nobody_else():
    found = Hooks(None)
    assert {"chatwoot", "freshdesk", "intercom", "json", "zammad", "zendesk", "zendesk_trigger"} == set(found.names)
    assert not any(hook.signed for name in found.names if (hook := found.find(name)))


def test_a_hook_may_use_a_mapping_of_ones_own_beside_the_file(tmp_path):
    (tmp_path / "pbx.yaml").write_text(
        "about: calls\nsource: /pbx\ntime: at\nevents: [{type: contact.confirmed, id: '{id}'}]\n", "utf-8"
    )
    hook = hooks(tmp_path, "hooks: {calls: {connector: pbx.yaml, window: PT10S}}").find("calls")
    assert hook is not None
    assert (hook.mapping.source, hook.window) == ("/pbx", timedelta(seconds=10))


def test_a_changed_file_is_in_force_and_a_wrong_one_leaves_the_hooks_as_they_are(tmp_path):
    found = hooks(tmp_path, "hooks: {zammad: {secret: one}}")
    assert not found.reload()
    (tmp_path / "hooks.yaml").write_text("hooks: {zammad: {secrets: [two, three]}}", "utf-8")
    assert found.reload()
    (tmp_path / "hooks.yaml").write_text("hooks: {zammad: {secretz: four}}", "utf-8")
    with pytest.raises(Misconfigured, match=r"hooks\.zammad\.secretz"):
        found.reload()
    hook = found.find("zammad")
    assert hook is not None
    assert [secret.get_secret_value() for secret in hook.secrets] == ["two", "three"]
    assert found.fault


def test_a_changed_mapping_of_ones_own_is_in_force_though_the_file_stays(tmp_path):
    own = tmp_path / "pbx.yaml"
    text = "about: calls\nsource: {}\ntime: at\nevents: [{{type: contact.confirmed}}]\n"
    own.write_text(text.format("/pbx"), "utf-8")
    found = hooks(tmp_path, "hooks: {calls: {connector: pbx.yaml}}")
    assert not found.reload()
    own.write_text(text.format("/pbx/new"), "utf-8")
    assert found.reload()
    hook = found.find("calls")
    assert hook is not None
    assert hook.mapping.source == "/pbx/new"
    own.unlink()
    with pytest.raises(Misconfigured):
        found.reload()
    own.write_text(text.format("/pbx"), "utf-8")
    assert found.reload()
    assert found.fault is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("hooks: {freshdesk: {secret: s3cret}}", "signs nothing"),
        ("hooks: {zammad: {secret: '${NOT_SET_S3CRET}'}}", "environment variable NOT_SET_S3CRET is not set"),
        ("hooks: {zammad: {secret: ''}}", "a secret is empty"),
        ("hooks: {zammat: {secret: s3cret}}", "there is no connector"),
        ("hooks: {zammad: {secret: s3cret, source: 'a b'}}", "hooks.zammad.source"),
        ("hooks: {zammad: {secret: s3cret, with: {colour: red}}}", "has no constant colour"),
        ("hooks: {'../zammad': {}}", "String should match"),
        ("hooks: [s3cret", "line 1"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_without_its_secrets(tmp_path, text, reason):
    with pytest.raises(Misconfigured) as told:
        hooks(tmp_path, text)
    assert reason in str(told.value)
    assert "s3cret" not in str(told.value)


def test_secrets_are_shown_by_nothing(tmp_path):
    hook = hooks(tmp_path, "hooks: {zammad: {secret: s3cret}}").find("zammad")
    assert "s3cret" not in repr(hook)
    assert "s3cret" not in str(hook.model_dump() if hook else "")
