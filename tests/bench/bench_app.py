"""Server seconds from a change in the policy form to the new figures, on BFCL (1,700 × 71).

Measured in process with Streamlit's own test driver: a number field gets a new value, and the time
is that of the whole rerun, until all messages to the browser are made (check, replay, bootstrap,
comparison, diagram, form). Every value is new, so no cache helps. The driver opens a page twice
per rerun, which a server does not, so the figures' own part stands beside it.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
BFCL = ROOT.parent / "shared" / "datasets" / "bfcl_2024_08"
ROUNDS = 9
POLICY = """\
policy: tiered
goals: {quality: {min: 0.85}, cost_usd_per_1k: {max: 1}}
models:
  small: {log: gpt-4o-mini-2024-07-18}
  large: {log: claude-3-5-sonnet-20240620}
routes:
  - {name: short, when: {input_tokens: {lt: 400}}, use: cheap_first}
default: strong
chains:
  cheap_first:
    steps:
      - {model: small, timeout_s: 2, retries: 1}
      - {model: large, timeout_s: 10}
      - {degrade: message, text: "Not now."}
  strong:
    steps: [{model: large, timeout_s: 10}]
"""


def pages(folder: Path) -> tuple[float, float]:
    """Seconds of a rerun after a change of the threshold, on the pages Policy and Replay."""
    from streamlit.testing.v1 import AppTest

    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
    app.run().switch_page("pages/policy.py").run()
    assert not app.exception, app.exception
    field = "routes.0.when.0.value.number"
    changing, looking = [], []
    seen: set[object] = set()
    for i in range(ROUNDS):
        app.number_input(key=field).set_value(300.0 + 7 * i)
        start = time.perf_counter()
        app.run()
        changing.append(time.perf_counter() - start)
        assert not app.exception, app.exception
        seen.add(app.query_params["draft"])
        app.switch_page("pages/replay.py")
        start = time.perf_counter()
        app.run()
        looking.append(time.perf_counter() - start)
        app.switch_page("pages/policy.py").run()
    assert len(seen) == ROUNDS, "every round must change the policy"
    return statistics.median(changing), statistics.median(looking)


def empty_page() -> float:
    """Seconds of a rerun of a page that holds one heading: what Streamlit takes by itself."""
    from streamlit.testing.v1 import AppTest

    app = AppTest.from_string("import streamlit as st; st.title('Nothing')").run()
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        app.run()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def work() -> float:
    """Seconds of what a change recomputes: replay, summary, comparison, flows, diagram."""
    from toolkit.engine.replay import replay
    from toolkit.evaluate.compare import compare
    from toolkit.evaluate.flows import flows
    from toolkit.evaluate.summary import summarize
    from toolkit.figures import policy_figure
    from toolkit.logs.datasets import load_dataset
    from toolkit.policy.loading import parse_policy

    data, policy = load_dataset("bfcl"), parse_policy(POLICY)
    base = replay(policy.single("claude-3-5-sonnet-20240620"), data)
    times = []
    for i in range(ROUNDS):
        start = time.perf_counter()
        one = replay(policy.with_value("routes.0.when.input_tokens.lt", 301 + 7 * i), data)
        summarize(one)
        compare(base, one)
        policy_figure(flows(one)).to_json()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    """Print the medians."""
    if not BFCL.is_dir():
        print("BFCL is not there: ../shared/datasets/bfcl_2024_08 beside the checkout")
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["DETOUR_DB"] = str(folder / "lab.duckdb")
        os.environ["DETOUR_POLICIES"] = str(folder)
        os.environ["DETOUR_BUNDLED"] = str(folder / "none")
        (folder / "tiered.yaml").write_text(POLICY, "utf-8")

        from toolkit.logs.importers import import_file

        import_file(BFCL / "bfcl_long.csv.gz", "bfcl", BFCL / "bfcl_prompts.csv.gz")
        changing, looking = pages(folder)
        print(f"median of {ROUNDS}, 1,700 requests × 71 models, nothing from a cache")
        empty = empty_page()
        print(
            f"page Policy, a threshold changed: {changing:.3f} s of server time (wanted under 0.5)"
        )
        print(f"page Replay, opened with that draft: {looking:.3f} s (its replay is there already)")
        print(f"of it replay, intervals, comparison, diagram: {work():.3f} s")
        print(f"an empty page: {empty:.4f} s, ratio Policy / empty: {changing / empty:.0f}")


if __name__ == "__main__":
    main()
