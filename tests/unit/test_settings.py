# SPDX-License-Identifier: Apache-2.0
"""Settings: which of four places wins, and errors that name file, line and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import settings
from harness.errors import SettingsError
from harness.settings import Settings


def toml(folder: Path, text: str) -> Path:
    file = folder / "harness.toml"
    file.write_text(text)
    return file


def refused(file: Path | None, environment: dict[str, str] | None = None, **overrides: object) -> SettingsError:
    with pytest.raises(SettingsError) as raised:
        settings.load(overrides, file=file, environment=environment or {})
    assert raised.value.exit_status == 2
    assert raised.value.next_step
    assert "pydantic" not in str(raised.value)
    return raised.value


def test_defaults_then_the_file_then_the_environment_then_the_command_line(tmp_path: Path) -> None:
    file = toml(tmp_path, 'jobs = 2\napp_slots = 2\nsource = "mirror"\nmin_disk_gb = 2\n')
    environment = {"HARNESS_JOBS": "3", "HARNESS_SOURCE": "upstream", "HARNESS_APP_SLOTS": ""}

    found = settings.load({"source": "foundry", "jobs": None}, file=file, environment=environment)

    assert found.source == "foundry"
    assert found.jobs == 3
    assert found.app_slots == 2
    assert found.min_disk_gb == 2
    assert found.cluster_timeout == Settings().cluster_timeout


def test_every_environment_variable_sets_its_key(tmp_path: Path) -> None:
    found = settings.load(
        file=toml(tmp_path, ""),
        environment={
            "HARNESS_CACHE": "/c",
            "HARNESS_REPORTS": "/r",
            "HARNESS_SOURCE": "foundry",
            "HARNESS_JOBS": "5",
            "HARNESS_APP_SLOTS": "6",
            "HARNESS_PROCESSORS": "3",
            "HARNESS_MIN_DISK_GB": "0.5",
        },
    )

    assert found == Settings(
        cache_dir=Path("/c"),
        reports_dir=Path("/r"),
        source="foundry",
        jobs=5,
        app_slots=6,
        processors=3,
        min_disk_gb=0.5,
    )


def test_the_file_of_the_current_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toml(tmp_path, "jobs = 7\n")
    monkeypatch.chdir(tmp_path)

    assert settings.load(environment={}).jobs == 7


def test_the_cache_is_below_xdg_cache_home_or_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert Settings().cache_dir == tmp_path / "spark-operator-harness"

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Settings().cache_dir == tmp_path / ".cache" / "spark-operator-harness"


def test_mirrors_come_from_their_tables(tmp_path: Path) -> None:
    file = toml(
        tmp_path, '[mirrors."ghcr.io"]\nurl = "https://mirror.example.com/v2/ghcr"\nusername = "u"\npassword = "p"\n'
    )

    assert settings.load(file=file, environment={}).mirror_map.mirrors["ghcr.io"].username == "u"


def test_broken_toml_names_file_and_line(tmp_path: Path) -> None:
    error = refused(toml(tmp_path, "jobs = 2\nsource = foundry\n"))

    assert str(tmp_path / "harness.toml") in error.message
    assert "line 2" in error.message


def test_toml_that_ends_too_early_names_its_last_line(tmp_path: Path) -> None:
    assert "line 3" in refused(toml(tmp_path, 'jobs = 2\n\nreports_dir = "a')).message


def test_a_wrong_key_names_file_line_and_key_and_the_one_that_was_meant(tmp_path: Path) -> None:
    error = refused(toml(tmp_path, "# comment\n\njobs = 2\nsorce = 'foundry'\n"))

    assert error.message.startswith(f"{tmp_path / 'harness.toml'}, line 4: key sorce")
    assert "did you mean source?" in error.message
    assert "reports_dir" in error.next_step


def test_a_wrong_key_of_a_mirror_is_told_with_its_line(tmp_path: Path) -> None:
    error = refused(toml(tmp_path, '[mirrors."ghcr.io"]\nurl = "https://a"\nuser = "b"\n'))

    assert "line 3: key mirrors.ghcr.io.user" in error.message
    assert "did you mean username?" in error.message


@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        ('source = "foundry"\njobs = "many"\n', 2, "jobs"),
        ("jobs = 0\n", 1, "jobs"),
        ('\nsource = "hub"\n', 2, "source"),
        ("app_slots = [1]\n", 1, "app_slots"),
        ("cache_dir = 2026-12-01\n", 1, "cache_dir"),
        ("catalogue_dirs = [12:30:00]\n", 1, "catalogue_dirs"),
        ("cluster_timeout = 0\n", 1, "cluster_timeout"),
        ('jobs = 1\n[mirrors."ghcr.io"]\nurl = "ftp://x"\n', 3, "mirrors.ghcr.io.url"),
    ],
)
def test_a_wrong_value_names_file_line_and_key(tmp_path: Path, text: str, line: int, key: str) -> None:
    assert f"{tmp_path / 'harness.toml'}, line {line}: key {key}: " in refused(toml(tmp_path, text)).message


def test_a_wrong_value_is_told_also_where_the_environment_has_another(tmp_path: Path) -> None:
    file = toml(tmp_path, "cache_dir = 2026-12-01\n")
    with pytest.raises(SettingsError, match=r"line 1: key cache_dir: a path is text, in quotes"):
        settings.load(file=file, environment={"HARNESS_CACHE": str(tmp_path)})


def test_several_wrong_keys_are_told_at_once(tmp_path: Path) -> None:
    message = refused(toml(tmp_path, 'jobs = "a"\nsource = "b"\n')).message

    assert "line 1: key jobs" in message
    assert "line 2: key source" in message


def test_a_wrong_environment_variable_is_named(tmp_path: Path) -> None:
    error = refused(toml(tmp_path, "jobs = 2\n"), {"HARNESS_JOBS": "many"})

    assert "environment variable HARNESS_JOBS: " in error.message
    assert "harness.toml" not in error.message


def test_a_wrong_option_is_said_to_be_of_the_command_line(tmp_path: Path) -> None:
    assert "command line: key jobs: " in refused(toml(tmp_path, ""), jobs=0).message


def test_what_the_user_wrote_is_shown_as_it_was_written(tmp_path: Path) -> None:
    assert "'FTP://Mirror'" in refused(toml(tmp_path, '[mirrors."ghcr.io"]\nurl = "FTP://Mirror"\n')).message


def test_a_file_that_is_not_there_or_no_text_is_named(tmp_path: Path) -> None:
    assert "does not exist" in refused(tmp_path / "none.toml").message
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    assert "bytes.toml" in refused(tmp_path / "bytes.toml").message
    assert str(tmp_path) in refused(tmp_path).message


def test_a_folder_below_the_home_folder_is_meant_by_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    file = toml(tmp_path, 'cache_dir = "~/cache"\n[mirrors."ghcr.io"]\nurl = "https://m.example"\nca = "~/ca.pem"\n')
    found = settings.load(file=file, environment={"HARNESS_REPORTS": "~/reports"})
    assert (found.cache_dir, found.reports_dir) == (tmp_path / "cache", tmp_path / "reports")
    assert found.mirrors["ghcr.io"].ca == tmp_path / "ca.pem"


@pytest.mark.parametrize(
    ("table", "host"),
    [
        ("mirrors.ghcr.io", "ghcr.io"),
        ("mirrors.registry.acme.example", "registry.acme.example"),
        ("logins.ghcr.io", "ghcr.io"),
    ],
)
def test_a_host_without_quotes_is_told_of(table: str, host: str, tmp_path: Path) -> None:
    said = refused(toml(tmp_path, f'[{table}]\nurl = "https://mirror.example"\n'))
    assert f'write [{table.partition(".")[0]}."{host}"]' in said.message
    assert "there is no such key" not in said.message


def test_the_home_folder_of_nobody_is_no_folder_of_that_name(tmp_path: Path) -> None:
    file = toml(tmp_path, 'cache_dir = "~no-such-user/cache"\n')
    assert "cache_dir: ~no-such-user is no user with a home folder here" in refused(file).message
    assert "~no-such-user" in refused(None, {"HARNESS_CACHE": "~no-such-user/x"}).message


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("HARNESS_CASHE", "HARNESS_CACHE"),
        ("HARNESS_JOB", "HARNESS_JOBS"),
        ("HARNESS_JBOS", "HARNESS_JOBS"),
        ("HARNESS_CACHE_DIR", "HARNESS_CACHE"),
        ("HARNESS_ARTEFACT", "HARNESS_ARTIFACT"),
    ],
)
def test_a_misspelt_variable_is_told_what_it_was_meant_for(variable: str, meant: str) -> None:
    error = refused(None, {variable: "x"})
    assert f"environment variable {variable} has no meaning; did you mean {meant}?" in error.message
    assert error.next_step == f"rename it to {meant}, or unset it"


def test_variables_of_others_are_left_alone() -> None:
    # Those of the CI system called Harness, of Perl's Test::Harness, and of .ci/run.
    ends = (
        "WORKSPACE BUILD_ID STAGE_ID CACHE_SERVICE_TOKEN ENVIRONMENT_ID VERSION OPTIONS TIMER RESOURCE CI_ENVIRONMENT"
    )
    assert settings.load(environment={f"HARNESS_{it}": "x" for it in ends.split()})


@pytest.mark.parametrize("text", ["٣", "1_0", " 4", "nan", "1e400"])
def test_a_number_has_the_digits_that_everybody_writes(text: str) -> None:
    assert "environment variable HARNESS_JOBS: key jobs" in refused(None, {"HARNESS_JOBS": text}).message


@pytest.mark.parametrize("path", ["/srv/" + "a" * 256, "/srv" + "/abc" * 900])
def test_a_folder_whose_name_is_longer_than_a_path_may_be(path: str) -> None:
    error = refused(None, {"HARNESS_REPORTS": path})
    assert error.message.startswith(
        f"environment variable HARNESS_REPORTS: {path[:80]}… cannot be a folder: it is longer"
    )
