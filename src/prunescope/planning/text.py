"""A plan for a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from prunescope.errors import listed
from prunescope.planning.rates import quantity


def plan_text(plan: dict[str, Any]) -> str:
    """The plan for a terminal."""
    controls = f", {plan['control_models']:,} controls" if plan["control_models"] else ""
    lines = [
        f"{plan['study']}: {plan['models']:,} models ({plan['dense_models']:,} dense, "
        f"{plan['pruned_models']:,} pruned{controls}) in {plan['jobs']:,} jobs",
        f"{hours_text(plan['gpu_hours'], 'about ', 'less than a minute')} on {plan['basis']['gpu_hours']}",
        f"about {gigabytes(plan['disk_gb'])} on disk, {gigabytes(plan['tables_gb'])} of it "
        f"{plan['basis']['disk_gb']}",
        "",
        f"{'partition':<24}{'jobs':>8}{'time':>14}",
        *(
            f"{name:<24}{row['jobs']:>8,}{hours_text(row['hours']):>14}"
            for name, row in plan["partitions"].items()
        ),
        "",
        f"{'data set':<24}{'models':>8}{'jobs':>8}{'GPU time':>14}{'disk':>12}{'of it tables':>14}",
    ]
    for row in plan["datasets"]:
        lines.append(
            f"{row['dataset']:<24}{row['models']:>8,}{row['jobs']:>8,}{hours_text(row['gpu_hours']):>14}"
            f"{gigabytes(row['disk_gb']):>12}{gigabytes(row['tables_gb']):>14}"
        )
    if len(plan["papers"]) > 1:
        lines += ["", f"{'paper':<24}{'models':>8}{'jobs':>8}{'GPU time':>14}{'disk':>12}"]
        lines += [
            f"{row['paper']:<24}{row['models']:>8,}{row['jobs']:>8,}{hours_text(row['gpu_hours']):>14}"
            f"{gigabytes(row['disk_gb']):>12}"
            for row in plan["papers"]
        ]
    lines += ["", f"{'model':<36}{'operations':>13}{'computed':>13}{'GPU time':>12}{'one job':>22}   rate"]
    for row in plan["work"]:
        shortest, longest = (hours_text(minutes / 60) for minutes in row["job_minutes"])
        each = shortest if shortest == longest else f"{shortest} - {longest}"
        work, computed = (quantity(1e18 * row[key], "FLOP") for key in ("eflop", "eflop_computed"))
        lines.append(
            f"{row['arch'] + ' on ' + row['dataset']:<36}{work:>13}{computed:>13}{hours_text(row['gpu_hours']):>12}"
            f"{each:>22}   {row['from']}"
        )
    lines += ["", f"{'model':<36}{'parameters':>14}{'prunable':>14}   removed of all parameters"]
    for architecture in plan["networks"]:
        name = f"{architecture['arch']} on {architecture['dataset']}"
        head = f"{name:<36}{architecture['n_parameters']:>14,}{architecture['n_prunable']:>14,}   "
        for kind, removed in _by_kind(architecture["removed"]).items():
            lines.append(f"{head}{kind} {', '.join(removed)}")
            head = " " * len(head)
        if head.strip():
            lines.append(head.rstrip())
    assumed = {
        architecture["arch"]: architecture["assumed"]
        for architecture in plan["networks"]
        if "assumed" in architecture
    }
    lines += [f"{arch}: {what}" for arch, what in assumed.items()]
    for architecture in plan["networks"]:
        if "layers" in architecture:
            lines += ["", f"{architecture['arch']} on {architecture['dataset']}: prunable weights"]
            lines += [
                f"  {name:<60}{' x '.join(map(str, shape)):>24}"
                for name, shape in architecture["layers"].items()
            ]
            lines.append(f"  never pruned (the classifier is {architecture['classifier']}):")
            kinds: dict[str, list[str]] = {}
            for name, kind in architecture["never_pruned"].items():
                kinds.setdefault(kind, []).append(name)
            lines += [
                f"    {kind} ({len(names)}): {listed(names, 3)}" for kind, names in sorted(kinds.items())
            ]
            lines += [f"  one tensor: {' = '.join(alike)}" for alike in architecture["tied"]]
    if plan.get("data"):
        lines += ["", "data", *plan["data"]]
    return "\n".join(lines)


def _by_kind(removed: Iterable[dict[str, Any]]) -> dict[str, list[str]]:
    """``{"sparsity": ["50%: 47.5%", "90%: 85.5%"], "ratio (filters)": ["2: 49.9%"]}``."""
    kinds: dict[str, list[str]] = {}
    for row in removed:
        kind = row["kind"] + (" (filters)" if row["structure"] == "filters" else "")
        level = f"{100 * row['level']:g}%" if row["kind"] == "sparsity" else f"{row['level']:g}"
        kinds.setdefault(kind, []).append(f"{level}: {row['share_removed']:.1%}")
    return kinds


def gigabytes(value: float) -> str:
    return quantity(1e9 * value, "B")


def hours_text(hours: float, about: str = "", least: str = "< 1 min") -> str:
    if hours < 1 / 60:
        return least
    if hours < 1:
        return f"{about}{hours * 60:.0f} min"
    return f"{about}{hours:,.1f} h" if hours < 100 else f"{about}{hours:,.0f} h"
