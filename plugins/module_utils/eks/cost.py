# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a cluster costs, roughly: list prices of us-east-2 in USD, November 2026.

The prices are an estimate to decide by, not a bill: other regions differ by up to a third,
and traffic, volumes of pods, load balancers and logs come on top.
"""

from __future__ import annotations

HOURS_PER_MONTH = 730
CONTROL_PLANE = 0.10
CONTROL_PLANE_EXTENDED = 0.60
NAT_GATEWAY = 0.045
PUBLIC_ADDRESS = 0.005
GP3_GIB_MONTH = 0.08
LARGE_HOUR = {
    "t3": 0.0832,
    "t3a": 0.0752,
    "t4g": 0.0672,
    "m5": 0.096,
    "m6i": 0.096,
    "m6a": 0.0864,
    "m6g": 0.077,
    "m7i": 0.1008,
    "m7a": 0.11592,
    "m7g": 0.0816,
    "m7i-flex": 0.09576,
    "c6i": 0.085,
    "c7i": 0.08925,
    "c7g": 0.0725,
    "r6i": 0.126,
    "r7i": 0.1323,
}
"""Price of an hour of the .large size of a family; other sizes are multiples of it."""
SIZES = {
    "micro": 0.125,
    "small": 0.25,
    "medium": 0.5,
    "large": 1,
    "xlarge": 2,
    "2xlarge": 4,
    "4xlarge": 8,
    "8xlarge": 16,
    "12xlarge": 24,
    "16xlarge": 32,
    "24xlarge": 48,
}


def instance_hour(instance_type: str) -> float | None:
    """USD for an hour on demand, or None for a type that the table does not know."""
    family, _dot, size = instance_type.partition(".")
    if family not in LARGE_HOUR or size not in SIZES:
        return None
    return LARGE_HOUR[family] * SIZES[size]


def estimate(description: dict) -> dict:
    """{"hourly_usd", "monthly_usd", "lines", "unknown"} of a description, always running."""
    lines: list[tuple[str, float]] = []
    unknown: list[str] = []
    lines.append(("EKS control plane", CONTROL_PLANE))
    if description["network"]["nat_gateway_enabled"]:
        lines.append(("NAT gateway and its address", NAT_GATEWAY + PUBLIC_ADDRESS))
    for group in description["nodegroups"]:
        sizes = group.get("scaling") or {}
        count = sizes.get("desired_size")
        count = sizes.get("min_size", 0) if count is None else count
        kind = (group.get("instance_types") or ["t3.medium"])[0]
        price = instance_hour(kind)
        if price is None:
            unknown.append(kind)
            price = 0.0
        disk = (group.get("disk_size_gib") or 50) * GP3_GIB_MONTH / HOURS_PER_MONTH
        lines.append((f"{group['name']}: {count} x {kind} with disks", count * (price + disk)))
    hourly = sum(price for _title, price in lines)
    return {
        "hourly_usd": round(hourly, 3),
        "monthly_usd": round(hourly * HOURS_PER_MONTH),
        "lines": [f"{title}: {price:.3f} USD an hour" for title, price in lines],
        "unknown": sorted(set(unknown)),
    }
