"""Snakemake's profile with the values of a site."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from prunescope.errors import UserError
from prunescope.running.slurm.profile import installed_profile, read_site, render, set_up

SHIPPED = Path(__file__).parents[4] / "profiles" / "slurm"


def rendered(tmp_path: Path, text: str) -> dict[str, object]:
    (tmp_path / "site.yaml").write_text(text)
    profile = yaml.safe_load((SHIPPED / "config.yaml").read_text())
    return render(profile, read_site(tmp_path / "site.yaml"))


def test_values_of_a_site_reach_every_rule(tmp_path: Path) -> None:
    profile = rendered(
        tmp_path,
        "cpu_partition: small\ngpu_partition: big\naccount: 4711\nqos: low\ngpu_type: a100\nmax_jobs: 50\n",
    )
    default, rules = profile["default-resources"], profile["set-resources"]
    assert default["slurm_partition"] == "'small'"
    assert (default["slurm_account"], default["qos"]) == ("'4711'", "'low'")
    assert set(rules) == {"train", "prune", "level", "search"}
    assert all(
        resources == {"slurm_partition": "'big'", "gpu": 1, "gpu_model": "'a100'"}
        for resources in rules.values()
    )
    assert profile["jobs"] == 50


def test_a_rule_that_gets_more_time_gets_no_gpu(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text("gpu_partition: big\n")
    profile = yaml.safe_load((SHIPPED / "config.yaml").read_text())
    profile["set-resources"]["tables"] = {"runtime": 240}
    rules = render(profile, read_site(tmp_path / "site.yaml"))["set-resources"]
    assert rules["tables"] == {"runtime": 240}
    assert rules["train"] == {"slurm_partition": "'big'", "gpu": 1}


def test_without_values_slurm_decides(tmp_path: Path) -> None:
    profile = rendered(tmp_path, "gpus_per_job: 0\ngpu_type: a100\n")
    assert "slurm_partition" not in profile["default-resources"]
    assert "slurm_account" not in profile["default-resources"]
    assert profile["set-resources"]["train"] == {"gpu": 0}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("gpu_partition: 'x; rm -rf /'", "gpu_partition"),
        ("partition: gpu", "partition"),
        ("max_jobs: 0", "max_jobs"),
        ("gpus_per_job: 2", "gpus_per_job"),
        ('account: "a\'b"', "account"),
    ],
)
def test_wrong_values_are_named(tmp_path: Path, text: str, name: str) -> None:
    (tmp_path / "site.yaml").write_text(text)
    with pytest.raises(UserError, match=name):
        read_site(tmp_path / "site.yaml")


def test_an_unknown_key_is_reported_with_those_of_a_site(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text("partition: gpu")
    with pytest.raises(UserError, match=r"partition: unknown key.*; allowed here: .*gpu_partition") as told:
        read_site(tmp_path / "site.yaml")
    assert "datasets" not in str(told.value)


def test_set_up_writes_where_snakemake_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert set_up(SHIPPED) == tmp_path / "snakemake" / "slurm" / "config.yaml" == installed_profile()
    assert yaml.safe_load(installed_profile().read_text())["executor"] == "slurm"
    set_up(SHIPPED)


def test_a_profile_of_somebody_else_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    installed_profile().parent.mkdir(parents=True)
    installed_profile().write_text("executor: slurm\n")
    with pytest.raises(UserError, match="did not write"):
        set_up(SHIPPED)
    assert installed_profile().read_text() == "executor: slurm\n"
