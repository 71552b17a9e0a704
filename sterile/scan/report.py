"""What a finished scan says on the terminal."""

_SHOWN = 5


def page(summary: dict) -> str:
    """The terminal's page for the summary of :func:`sterile.scan.run`."""
    done, total = summary["done"], summary["points"]
    lines = [
        f"{done} of {total} points, {summary['failed']} failed; {summary['computed']} computed now "
        f"in {summary['seconds']:.1f} s, {summary['points_per_second']:.3g} points/s"
    ]
    if set(summary["statuses"]) - {"SUCCESS"}:
        about = f" ({summary['numerical']} about numerics, others about the model)"
        lines.append(_counts("status", summary["statuses"]) + about)
    for name, counts in summary.get("verdicts", {}).items():
        lines.append(_counts(name, counts))
    for failure in summary["failures"][:_SHOWN]:
        values = ", ".join(
            f"{name} = {value:.6g}"
            for name, value in failure.items()
            if name not in ("row", "status")
        )
        lines.append(f"failed: row {failure['row']}, {values}: {failure['status']}")
    if summary["failed"] > _SHOWN:
        lines.append(f"... and {summary['failed'] - _SHOWN} more; all by `status` in the file")
    lines.append(f"written: {summary['file']}")
    return "\n".join(lines)


def _counts(label: str, counts: dict) -> str:
    return f"{label}: " + ", ".join(f"{count} {name}" for name, count in counts.items())
