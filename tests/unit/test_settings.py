"""Settings: defaults, environment, command line, and what is said of a mistake."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from rushes.errors import WrongSetup
from rushes.settings import ROOMS, Settings, default_data_dir, is_loopback


def test_nothing_set_serves_this_machine_only_with_keys() -> None:
    settings = Settings.load(environ={})
    door = settings.door
    assert (door.host, door.port, door.auth, door.strict, door.public_url) == ("127.0.0.1", 8000, True, False, None)
    assert (settings.jobs.lease_s, settings.jobs.workers) == (30.0, 1)
    assert settings.storage.data == default_data_dir()
    assert settings.jobs.database_url == f"sqlite:///{default_data_dir() / 'jobs.db'}"
    assert settings.catalogue.serve_as == {}


def test_the_environment_wins_over_defaults_and_the_command_line_over_both() -> None:
    environ = {
        "RUSHES_PORT": "9000",
        "RUSHES_STRICT": "yes",
        "RUSHES_PUBLIC_URL": "https://video.example.org/",
        "HOME": "/",
    }
    settings = Settings.load({"port": 9100, "host": None}, environ)
    assert (settings.door.port, settings.door.strict) == (9100, True)
    assert settings.door.public_url == "https://video.example.org"
    assert settings.door.host == "127.0.0.1"


def test_variables_of_other_programs_are_no_settings() -> None:
    others = {
        "PORT": "9000",
        "HOST": "x86_64-linux-gnu",
        "DATA": "/elsewhere",
        "WORKERS": "8",
        "AUTH": "false",
        "strict": "1",
    }
    assert Settings.load(environ=others) == Settings.load(environ={})


def test_the_data_directory_takes_its_database_with_it(tmp_path: Path) -> None:
    settings = Settings.load({"data": tmp_path / "here"}, {})
    assert settings.storage.data == tmp_path / "here"
    assert settings.jobs.database_url == f"sqlite:///{tmp_path / 'here' / 'jobs.db'}"
    elsewhere = Settings.load({"data": tmp_path}, {"RUSHES_DATABASE_URL": "postgresql://db/rushes"})
    assert elsewhere.jobs.database_url == "postgresql://db/rushes"


def test_the_default_data_directory_follows_xdg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rushes.settings.sys.platform", "linux")
    assert default_data_dir({"XDG_DATA_HOME": "/data"}) == Path("/data/rushes")
    assert default_data_dir({}) == Path.home() / ".local/share/rushes"


def test_hosted_ids_are_mapped_by_pairs_or_by_a_mapping() -> None:
    mapped = {"minimax/hailuo-02": "rushes/mini", "all": "rushes/mini"}
    text = "minimax/hailuo-02=rushes/mini, all=rushes/mini"
    assert Settings.load(environ={"RUSHES_SERVE_AS": text}).catalogue.serve_as == mapped
    assert Settings.load({"serve_as": mapped}, {}).catalogue.serve_as == mapped


def test_settings_travel_whole_to_a_program_that_is_started_with_them(tmp_path: Path) -> None:
    settings = Settings.load(
        {"data": tmp_path, "auth": False, "lease_s": 2.5, "serve_as": {"all": "rushes/mini"}, "workers": 0}, {}
    )
    assert Settings.load(environ=settings.environment()) == settings


def test_an_empty_variable_counts_as_not_set() -> None:
    assert Settings.load(environ={"RUSHES_PORT": ""}) == Settings.load(environ={})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("PORT", "80a"),
        ("PORT", "70000"),
        ("PORT", "-1"),
        ("STRICT", "perhaps"),
        ("LEASE_S", "nan"),
        ("LEASE_S", "0"),
        ("WORKERS", "1.5"),
        ("MAX_BODY_BYTES", "12"),
        ("PUBLIC_URL", "video.example.org"),
        ("PUBLIC_URL", "https://video.example.org/?a=b"),
        ("PUBLIC_URL", "https://video.example.org:99999"),
        ("EGRESS_PROXY", "http://proxy.example.org:abc"),
        ("DATA", "/videos/what?"),
        ("DATA", "~nobody-has-this-name/rushes"),
        ("SERVE_AS", "minimax/hailuo-02"),
        ("SERVE_AS", "=rushes/mini"),
    ],
)
def test_a_bad_value_is_refused_with_name_given_and_allowed(name: str, text: str) -> None:
    with pytest.raises(WrongSetup) as refused:
        Settings.load(environ={f"RUSHES_{name}": text})
    message = refused.value.message
    assert message.startswith(f"RUSHES_{name}: ")
    assert text in message
    assert "allowed: " in message


def test_an_unknown_variable_is_refused_with_the_one_that_was_meant() -> None:
    with pytest.raises(WrongSetup, match=r"RUSHES_PROT: no such setting\. Hint: did you mean RUSHES_PORT\?"):
        Settings.load(environ={"RUSHES_PROT": "9000"})
    with pytest.raises(WrongSetup, match=r"known are .*RUSHES_PORT"):
        Settings.load(environ={"RUSHES_12345678901234567890": "1"})
    Settings.load(environ={"RUSHES_DEBUG": "1", "RUSHES_API_KEY": "rushes_x", "OTHER": "1"})


def test_keys_may_be_off_only_where_nobody_else_can_connect() -> None:
    for host in ("127.0.0.1", "127.8.0.1", "::1", "localhost"):
        assert is_loopback(host)
        assert not Settings.load({"auth": False, "host": host}, {}).door.auth
    for host in ("0.0.0.0", "::", "192.168.1.5", "example.org"):
        assert not is_loopback(host)
        with pytest.raises(WrongSetup, match=f"auth: .*given false, with host {host}"):
            Settings.load({"auth": False, "host": host}, {})


def test_no_two_rooms_have_a_setting_of_the_same_name() -> None:
    names = [f.name for kind in ROOMS.values() for f in fields(kind)]
    assert len(names) == len(set(names))


def test_origins_are_read_as_browsers_spell_them_and_travel_to_workers() -> None:
    given = {"RUSHES_CORS_ORIGINS": "https://App.example.org, http://localhost:3000"}
    settings = Settings.load({}, given)
    assert settings.door.cors_origins == ("https://app.example.org", "http://localhost:3000")
    assert Settings.load({}, settings.environment()).door.cors_origins == settings.door.cors_origins
    assert Settings.load({}, {"RUSHES_CORS_ORIGINS": "*"}).door.cors_origins == ("*",)
    assert Settings.load({}, {}).door.cors_origins == ()
    assert "RUSHES_CORS_ORIGINS" not in Settings.load({}, {}).environment()


def test_every_page_is_let_in_only_where_keys_are_on() -> None:
    with pytest.raises(WrongSetup, match=r"cors_origins: .* with auth false"):
        Settings.load({"auth": False}, {"RUSHES_CORS_ORIGINS": "*"})
    assert Settings.load({"auth": False}, {"RUSHES_CORS_ORIGINS": "http://localhost:3000"}).door.cors_origins


@pytest.mark.parametrize("given", ["app.example.org", "https://a.example/", "https://a.example/x", "null", "https://"])
def test_what_is_no_origin_is_refused(given: str) -> None:
    with pytest.raises(WrongSetup, match="RUSHES_CORS_ORIGINS"):
        Settings.load({}, {"RUSHES_CORS_ORIGINS": given})
