"""Import of a million rows of LiteLLM spend logs; the reference is DuckDB reading the same CSV.

The reference does what ``read_csv`` does by itself: it guesses the types and makes a table. The
import checks every value, maps errors, mines the JSON of ``metadata``, tells requests from
outcomes, and keeps the dataset in the store. Both run in a process of their own, as their peak
memory is measured.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

N_ROWS = 1_000_000
ROUNDS = 3
ROWS = """
    SELECT 'chatcmpl-' || md5(i::VARCHAR) AS request_id, 'acompletion' AS call_type,
        md5((i % 40)::VARCHAR) AS api_key, round(random() / 500, 8) AS spend,
        (tin + tout)::BIGINT AS total_tokens, tin AS prompt_tokens, tout AS completion_tokens,
        strftime(moment, '%Y-%m-%d %H:%M:%S.%g') AS "startTime",
        strftime(moment + to_milliseconds((400 + 4000 * random())::BIGINT), '%Y-%m-%d %H:%M:%S.%g')
            AS "endTime",
        '' AS "completionStartTime",
        CASE i % 4 WHEN 0 THEN 'gpt-4o' WHEN 1 THEN 'gpt-4o-mini'
            WHEN 2 THEN 'claude-sonnet-4-5' ELSE 'gemini-2.5-flash' END AS model,
        md5((i % 4)::VARCHAR) AS model_id, 'chat' AS model_group, 'openai' AS custom_llm_provider,
        'https://api.openai.com/v1' AS api_base, 'u' || i % 5000 AS "user", '' AS end_user,
        'team-' || i % 12 AS team_id, '' AS organization_id,
        '{"status": "' || CASE WHEN bad THEN 'failure' ELSE 'success' END || '",'
        || ' "attempted_retries": ' || i % 3 || ', "attempted_fallbacks": 0,'
        || ' "user_api_key_alias": "prod", "usage_object": {"prompt_tokens": ' || tin
        || ', "completion_tokens": ' || tout || '}, "cost_breakdown": {"input_cost": 0.0001,'
        || ' "output_cost": 0.0002, "total_cost": 0.0003}, "error_information": '
        || CASE WHEN bad THEN '{"error_class": "RateLimitError", "error_code": "429",'
            || ' "error_message": "slow down"}' ELSE 'null' END || '}' AS metadata,
        'False' AS cache_hit, '' AS cache_key, '["prod"]' AS request_tags,
        '{}' AS messages, '{}' AS response, md5((i // 3)::VARCHAR) AS session_id,
        CASE WHEN bad THEN 'failure' ELSE 'success' END AS status
    FROM (SELECT i, TIMESTAMP '2026-01-01' + to_seconds(i * 2) AS moment,
        (50 + 900 * random())::INTEGER AS tin, (5 + 300 * random())::INTEGER AS tout,
        random() < 0.02 AS bad FROM range($n) r(i))
"""


def reference(path: Path) -> None:
    """Make a table of the file as DuckDB does by itself."""
    with duckdb.connect(path.with_suffix(".duckdb")) as con:
        con.execute("CREATE TABLE log AS FROM read_csv($path)", {"path": str(path)}).fetchall()


def imported(path: Path) -> None:
    """Import the file into a store of its own."""
    from toolkit.logs.importers import import_file

    report = import_file(path, "spend", db=path.with_suffix(".lab"))
    assert (report.n_stored, report.n_rejected) == (N_ROWS, 0)


def measured(task: str, path: Path) -> tuple[float, float]:
    """Seconds of a task inside a process of its own, and that process's peak memory in MiB."""
    for old in path.parent.glob(f"{path.stem}.[dl]*"):
        old.unlink()
    command = [sys.executable, __file__, task, str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ)
    seconds, peak = map(float, done.stdout.split())
    return seconds, peak


def main() -> None:
    """Print seconds, their ratio, and peak memory."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spend.csv"
        with duckdb.connect() as con:
            con.execute("SELECT setseed(0.5)").fetchall()
            con.execute(f"COPY ({ROWS}) TO '{path}'", {"n": N_ROWS}).fetchall()
        print(f"{N_ROWS:,} rows, {path.stat().st_size / 2**20:.0f} MiB of CSV")
        rounds = [(measured("reference", path), measured("imported", path)) for _ in range(ROUNDS)]
    best = [min(seconds for seconds, _ in column) for column in zip(*rounds, strict=True)]
    peaks = [max(peak for _, peak in column) for column in zip(*rounds, strict=True)]
    print(f"DuckDB's read_csv into a table: {best[0]:.2f} s, peak {peaks[0]:.0f} MiB")
    print(f"import_file into the store: {best[1]:.2f} s, peak {peaks[1]:.0f} MiB")
    print(f"ratio: {best[1] / best[0]:.2f} (wanted at most 4)")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        start = time.perf_counter()
        {"reference": reference, "imported": imported}[sys.argv[1]](Path(sys.argv[2]))
        seconds = time.perf_counter() - start
        print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    else:
        main()
