"""What processes have used, as Linux counts it."""

import os
from collections.abc import Mapping
from pathlib import Path

USER_FIELD = 11
SYSTEM_FIELD = 12
"""Behind the name of the program, which may contain anything; see proc(5)."""


def processor_seconds(process_ids: Mapping[str, int]) -> dict[str, float]:
    """Return the processor time that each process has used so far, threads included.

    Counted in hundredths of a second. One that has ended counts as 0.
    """
    ticks_per_second = os.sysconf("SC_CLK_TCK")
    used = {}
    for name, process_id in process_ids.items():
        try:
            text = Path(f"/proc/{process_id}/stat").read_text("ascii", "replace")
        except FileNotFoundError:
            used[name] = 0.0
            continue
        fields = text.rpartition(")")[2].split()
        used[name] = (int(fields[USER_FIELD]) + int(fields[SYSTEM_FIELD])) / ticks_per_second
    return used


def peak_megabytes(process_id: int) -> int:
    """Return the largest resident set of a process so far."""
    status = Path(f"/proc/{process_id}/status").read_text("ascii")
    (line,) = [one for one in status.splitlines() if one.startswith("VmHWM")]
    return int(line.split()[1]) // 1024
