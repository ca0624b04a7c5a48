"""CPU time of a model server on this machine, for targets that are priced by it.

The server is the process that listens on the target's port. All of its CPU time during a call
counts for that call, so calls are made one at a time and nobody else may use the server meanwhile.
The system counts in steps of 10 ms.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from toolkit.errors import DataError


class CpuMeter:
    """Reads the CPU seconds that one process has used so far, on all its threads."""

    def __init__(self, pid: int) -> None:
        psutil = _psutil()
        self._process = psutil.Process(pid)
        self._gone = psutil.Error

    def read_s(self) -> float:
        """Return the seconds, or NaN when the process has ended."""
        try:
            times = self._process.cpu_times()
        except self._gone:
            return float("nan")
        return float(times.user + times.system)


def meter_for(api_base: str | None, target: str) -> CpuMeter:
    """Find the server behind ``api_base``. Raises DataError when it is no process of ours here."""
    address = urlsplit(api_base or "")
    if not _is_loopback(address.hostname or ""):
        raise DataError(
            f"targets.{target}: usd_per_cpu_hour needs a model server on this machine; got api_base"
            f" {api_base!r}; state input_usd_per_mtok and output_usd_per_mtok instead"
        )
    port = address.port or (443 if address.scheme == "https" else 80)
    psutil = _psutil()
    for process in psutil.process_iter():
        try:
            connections = process.net_connections("tcp")
        except psutil.Error:
            continue
        if any(c.status == psutil.CONN_LISTEN and c.laddr.port == port for c in connections):
            return CpuMeter(process.pid)
    raise DataError(f"targets.{target}: no process of yours listens on {api_base}; is it started?")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _psutil() -> Any:
    try:
        import psutil
    except ImportError:
        raise DataError("usd_per_cpu_hour needs psutil: pip install psutil") from None
    return psutil
