"""Odd content of text files that people write: rig files, plans, model cards, Micro-Manager configurations."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import yaml

from benchmarks.fuzz import Case, Finding, changed_leaf, damaged_bytes, damaged_text, generator, run_families
from hcc_scope.resources import hardware_configs_dir, models_dir

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["run"]

PLANS = (
    {"kind": "random", "n_fields": 24, "seed": 3, "rectangle_um": [0, 0, 8000, 6000], "exposure_ms": 10.0},
    {"kind": "grid", "start_um": [0, 0], "rows": 3, "columns": 2, "overlap": 0.1, "autofocus": None},
    {"kind": "positions", "positions_um": [[0, 0], [700.5, -20]], "z_um": 3.0},
    {"kind": "time_series", "n_frames": 12, "interval_s": 2.0},
    {"kind": "sequence", "n_frames": 12},
)


def damaged_yaml(family: str, text: str, seed: int, number: int) -> Case:
    """Return a damaged YAML file: a value changed, or the text, or the bytes."""
    chance = generator(family, seed, number)
    way = chance.choice(("value", "value", "text", "bytes"))
    if way == "value":
        what, value = changed_leaf(yaml.safe_load(text), chance)
        return Case(what, yaml.safe_dump(value, allow_unicode=True).encode("utf-8", "surrogatepass"))
    if way == "text":
        what, changed = damaged_text(text, chance)
        return Case(what, changed.encode("utf-8", "surrogatepass"))
    return Case(*damaged_bytes(text.encode(), chance))


def read_plan(content: bytes, folder: Path) -> str | None:
    from hcc_scope.plans import load_plan

    path = folder / "plan.yaml"
    path.write_bytes(content)
    load_plan(path)
    return None


def read_rig(content: bytes, folder: Path) -> str | None:
    from hcc_scope.rig.rigfile import load_rig

    for name in ("demo.cfg",):
        shutil.copy(hardware_configs_dir() / name, folder / name)
    path = folder / "demo.rig.yaml"
    path.write_bytes(content)
    load_rig(path)
    return None


def read_card(content: bytes, folder: Path) -> str | None:
    from hcc_scope.inference.card import read_card as read

    (folder / "card.yaml").write_bytes(content)
    read(folder)
    return None


def read_cfg(content: bytes, folder: Path) -> str | None:
    from hcc_scope.errors import ConfigError
    from hcc_scope.rig.adapters import test_adapters_dir
    from hcc_scope.rig.config import lint
    from hcc_scope.rig.devices import describe_config

    path = folder / "rig.cfg"
    path.write_bytes(content)
    findings = lint(path, test_adapters_dir())
    describe_config(path)
    for finding in findings:
        if finding.severity == "error":
            raise ConfigError(str(finding))
    return None


def run(n: int, seed: int) -> list[Finding]:
    plans = [yaml.safe_dump(plan) for plan in PLANS]
    rig = (hardware_configs_dir() / "demo.rig.yaml").read_text(encoding="utf-8")
    card = (models_dir() / "phantom-meng2019" / "card.yaml").read_text(encoding="utf-8")
    cfg = (hardware_configs_dir() / "demo.cfg").read_text(encoding="utf-8")
    families: list[tuple[str, Any, list[Case]]] = [
        ("YAML plan", read_plan, [damaged_yaml("plan", plans[i % len(plans)], seed, i) for i in range(n)]),
        ("YAML rig", read_rig, [damaged_yaml("rig", rig, seed, i) for i in range(n)]),
        ("YAML card", read_card, [damaged_yaml("card", card, seed, i) for i in range(n)]),
        ("cfg", read_cfg, [damaged_cfg(cfg, seed, i) for i in range(n)]),
    ]
    return run_families(families)


def damaged_cfg(text: str, seed: int, number: int) -> Case:
    chance = generator("cfg", seed, number)
    if chance.random() < 0.3:
        return Case(*damaged_bytes(text.encode(), chance))
    what, changed = damaged_text(text, chance, ",")
    return Case(what, changed.encode("utf-8", "surrogatepass"))
