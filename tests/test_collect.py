"""Collecting: every outcome once, whatever happens on the way, and a dataset at the end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.bad_provider import bad_provider
from tests.local_model import LocalModel, shared_model
from toolkit.engine.provider import complete
from toolkit.errors import DataError, ProviderError
from toolkit.logs.collect import collect
from toolkit.logs.collect.answers import Answer
from toolkit.logs.collect.prompts import load_prompts
from toolkit.logs.collect.targets import load_targets
from toolkit.logs.datasets import load_dataset
from toolkit.schema import ErrorType

ROOT = Path(__file__).resolve().parents[1]
KEY = "sk-proj-Zx81hunter2hunter2"

# The command line without its layout: what `python -m toolkit collect` runs.
PROGRAM = """
import sys
from toolkit.engine.provider import complete
from toolkit.logs.collect import collect
report = collect(*sys.argv[1:4], complete, progress=lambda *now: print(*now, flush=True))
print("finished", report.done, report.total, report.resumed, flush=True)
"""
MTOK_PRICE = "price: {input_usd_per_mtok: 2, output_usd_per_mtok: 30}"
CALCULATOR = "targets: {calculator: {kind: tool, tool: calculator}}"


@pytest.fixture(scope="module")
def model() -> LocalModel:
    """The local model, running."""
    return shared_model()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for runs, with a store of its own; it holds twelve prompts."""
    monkeypatch.setenv("DETOUR_DB", str(tmp_path / "lab.duckdb"))
    monkeypatch.setenv("DETOUR_RUNS", str(tmp_path / "runs"))
    write_prompts(tmp_path / "prompts.jsonl", sums(12))
    return tmp_path


def sums(count: int) -> list[dict[str, object]]:
    """Prompts that a calculator gets right."""
    return [
        {
            "request_id": f"sum-{i:02d}",
            "category": "sums",
            "prompt": f"What is {i} + 2?",
            "reference": str(i + 2),
            "grader": "number",
            "tenant": "a" if i % 2 else "b",
        }
        for i in range(count)
    ]


def write_prompts(path: Path, prompts: list[dict[str, object]]) -> Path:
    """Write a prompts file."""
    path.write_text("".join(json.dumps(prompt) + "\n" for prompt in prompts))
    return path


def write_targets(folder: Path, text: str) -> Path:
    """Write a targets file."""
    path = folder / "targets.yaml"
    path.write_text(text)
    return path


def answered(text: str = "2", usd: float = 0.01, error: ErrorType = ErrorType.NONE):
    """A call that always gives this answer, and keeps the prompts that it was asked."""
    asked: list[str] = []

    def call(model, messages, **settings):
        asked.append(messages[-1]["content"])
        return Answer(text, 10.0, 1.0, usd, 0.5, error, "detail" if error else "")

    call.asked = asked
    return call


MODEL_TARGET = "targets: {m: {kind: model, model: openai/none, api_base: 'http://127.0.0.1:1'}}"


def interrupt_after_five(folder: Path, targets: Path) -> None:
    """Begin the run ``mine`` and press Ctrl-C after five outcomes."""

    def stop(done, *_):
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        collect(folder / "prompts.jsonl", targets, "mine", answered(), progress=stop)


def log_rows(folder: Path, name: str = "mine") -> list[dict[str, object]]:
    """Read the outcomes in a run's log."""
    lines = (folder / "runs" / f"{name}.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines[1:]]


@pytest.mark.model
def test_killed_and_started_again(folder, model):
    """A run on the real model goes on after SIGKILL: every outcome once, none lost."""
    targets = f"""
targets:
  small:
    kind: model
    model: openai/smollm2
    api_base: {model.api_base}
    max_tokens: 4
    price: {{usd_per_cpu_hour: 0.05}}
  calculator: {{kind: tool, tool: calculator, price: {{usd_per_cpu_hour: 0.05}}}}
"""
    files = [str(folder / "prompts.jsonl"), str(write_targets(folder, targets)), "mine"]
    command = [sys.executable, "-c", PROGRAM, *files]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as first:
        for line in first.stdout:
            if line.startswith("7 24 "):
                break
        first.kill()
        assert first.wait() == -signal.SIGKILL
    kept = log_rows(folder)
    assert 7 <= len(kept) < 24

    second = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert second.returncode == 0, second.stderr
    assert second.stdout.splitlines()[-1] == f"finished 24 24 {len(kept)}"
    assert second.stdout.splitlines()[0].startswith(f"{len(kept) + 1} 24 ")
    rows = log_rows(folder)
    assert rows[: len(kept)] == kept
    pairs = Counter((row["request_id"], row["target"]) for row in rows)
    assert set(pairs.values()) == {1}
    assert len(pairs) == 24

    dataset = load_dataset("mine")
    assert dataset.models == ("calculator", "small")
    assert dataset.complete
    assert dataset.quality[:, 0].tolist() == [1.0] * 12
    assert (dataset.latency_s > 0).all()
    assert (dataset.cost_usd > 0).all()
    assert (dataset.input_tokens[:, 1] > 20).all()
    assert dataset.column("tenant").to_pylist()[:2] == ["b", "a"]


def test_interrupt_leaves_a_run_that_goes_on(folder):
    """Ctrl-C ends a run between two outcomes, and the next start asks only what is left."""
    targets = write_targets(folder, MODEL_TARGET)
    interrupt_after_five(folder, targets)
    again = answered()
    report = collect(folder / "prompts.jsonl", targets, "mine", again)
    assert (report.resumed, report.done, report.finished) == (5, 12, True)
    assert again.asked == [p["prompt"] for p in sums(12)[5:]]


@pytest.mark.parametrize("cut", [1, 5, 200])
def test_torn_last_line_is_asked_again(folder, cut):
    """A last line that was not written to its end does not count."""
    targets = write_targets(folder, MODEL_TARGET)
    interrupt_after_five(folder, targets)
    path = folder / "runs" / "mine.jsonl"
    path.write_bytes(path.read_bytes()[:-cut])
    report = collect(folder / "prompts.jsonl", targets, "mine", answered())
    assert (report.resumed, report.done) == (4, 12)
    assert [row["request_id"] for row in log_rows(folder)] == [p["request_id"] for p in sums(12)]


def test_torn_first_line_begins_anew(folder):
    """A run that was killed while it wrote its first line begins from the start."""
    (folder / "runs").mkdir()
    (folder / "runs" / "mine.jsonl").write_bytes(b'{"run": "mi')
    targets = write_targets(folder, CALCULATOR)
    assert collect(folder / "prompts.jsonl", targets, "mine", answered()).done == 12


def test_damaged_line(folder):
    """A damaged line in the middle is named, not dropped."""
    targets = write_targets(folder, CALCULATOR)
    collect(folder / "prompts.jsonl", targets, "mine", answered())
    path = folder / "runs" / "mine.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:3], b"%%%\n", *lines[4:]]))
    with pytest.raises(DataError, match=r"mine\.jsonl:4: this line is damaged"):
        collect(folder / "prompts.jsonl", targets, "mine", answered())


def test_other_prompts_under_the_same_name(folder):
    """A run cannot go on with other prompts or targets than it began with."""
    targets = write_targets(folder, CALCULATOR)
    collect(folder / "prompts.jsonl", targets, "mine", answered())
    other = write_prompts(folder / "other.jsonl", sums(11))
    with pytest.raises(DataError, match="begun with other prompts or targets and holds 12 of"):
        collect(other, targets, "mine", answered())
    assert len(log_rows(folder)) == 12


def test_dataset_of_that_name(folder):
    """Nothing is paid for when the store has another dataset of the run's name."""
    targets = write_targets(folder, CALCULATOR)
    collect(folder / "prompts.jsonl", targets, "mine", answered())
    (folder / "runs" / "mine.jsonl").unlink()
    with pytest.raises(DataError, match="'mine' is there already, and this run has 12 of 12 calls"):
        collect(folder / "prompts.jsonl", targets, "mine", answered())
    assert log_rows(folder) == []


def test_two_runs_of_one_name(folder):
    """While a run is collected, a second one of its name is refused."""
    targets = write_targets(folder, MODEL_TARGET)
    begun, go_on = threading.Event(), threading.Event()

    def slow(*_, **__):
        begun.set()
        go_on.wait(10)
        return Answer("2")

    arguments = (folder / "prompts.jsonl", targets, "mine", slow)
    thread = threading.Thread(target=collect, args=arguments)
    thread.start()
    try:
        assert begun.wait(10)
        with pytest.raises(DataError, match="'mine' is being collected by another process"):
            collect(folder / "prompts.jsonl", targets, "mine", answered())
    finally:
        go_on.set()
        thread.join()
    assert len(log_rows(folder)) == 12


def test_limit(folder):
    """A run stops before the call that its limit forbids, and goes on with a higher one."""
    targets = write_targets(folder, MODEL_TARGET)
    call = answered(usd=0.01)
    report = collect(folder / "prompts.jsonl", targets, "mine", call, max_usd=0.03)
    assert (len(call.asked), report.done, report.finished) == (3, 3, False)
    assert report.stopped == (
        "stopped at 0.03 of 0.03 US dollars with 9 of 12 calls left;"
        " start again with a higher limit to go on"
    )
    again = collect(folder / "prompts.jsonl", targets, "mine", call, max_usd=0.03)
    assert (len(call.asked), again.done, again.spent_usd) == (3, 3, pytest.approx(0.03))
    assert collect(folder / "prompts.jsonl", targets, "mine", call).finished


def test_limit_needs_a_price(folder):
    """A limit on a model without a known price stops the run, as it could not be kept."""
    targets = write_targets(folder, MODEL_TARGET)
    with pytest.raises(DataError, match=r"targets\.m: its price is not known"):
        collect(folder / "prompts.jsonl", targets, "mine", answered(usd=float("nan")), max_usd=1.0)


def test_limit_and_a_tool_without_price(folder):
    """A tool costs nobody money, so it may be without a price under a limit."""
    targets = write_targets(folder, CALCULATOR)
    assert collect(folder / "prompts.jsonl", targets, "mine", answered(), max_usd=1.0).finished
    assert {row["cost_usd"] for row in log_rows(folder)} == {None}


def test_price_per_token(folder):
    """A price per million tokens is multiplied with the measured tokens."""
    targets = write_targets(folder, MODEL_TARGET.replace("kind", f"{MTOK_PRICE}, kind"))
    report = collect(folder / "prompts.jsonl", targets, "mine", answered())
    assert report.spent_usd == pytest.approx(12 * (10 * 2 + 1 * 30) / 1e6)


def test_workers_ask_at_the_same_time(folder):
    """With several workers calls overlap, and still every outcome is there once."""
    targets = write_targets(folder, MODEL_TARGET)
    together = threading.Barrier(3, timeout=10)

    def call(*_, **__):
        together.wait()
        return Answer("2", 1, 1, 0.0, 0.1)

    report = collect(folder / "prompts.jsonl", targets, "mine", call, workers=3)
    assert report.finished
    assert len({row["request_id"] for row in log_rows(folder)}) == 12


def test_unreachable_at_once(folder):
    """A target that cannot be reached at all stops the run with nothing logged."""
    targets = write_targets(folder, MODEL_TARGET)
    with pytest.raises(ProviderError, match=r"targets\.m cannot be reached .connection."):
        collect(folder / "prompts.jsonl", targets, "mine", complete)
    assert log_rows(folder) == []


def test_unreachable_on_the_way(folder):
    """One lost connection is an outcome, a third in a row stops the run."""
    targets = write_targets(folder, MODEL_TARGET)
    lost = Answer(error=ErrorType.CONNECTION, detail="gone")
    answers = iter([Answer("2"), lost, Answer("2"), lost, lost, lost])
    with pytest.raises(ProviderError, match="gone; mend it and start again"):
        collect(folder / "prompts.jsonl", targets, "mine", lambda *_, **__: next(answers))
    errors = [row["error"] for row in log_rows(folder)]
    assert errors == [None, "connection", None, "connection", "connection"]


def test_provider_errors_become_outcomes(folder):
    """What a provider refuses is in the log with its error, without the key."""
    with bad_provider() as provider:
        text = f"""
targets:
  limited: {{kind: model, model: openai/x, api_base: {provider.base("429")}, api_key_env: MY_NAME}}
  broken: {{kind: model, model: openai/x, api_base: {provider.base("500")}}}
"""
        os.environ["MY_NAME"] = KEY
        try:
            collect(folder / "prompts.jsonl", write_targets(folder, text), "mine", complete)
        finally:
            del os.environ["MY_NAME"]
    errors = Counter((row["target"], row["error"]) for row in log_rows(folder))
    assert errors == {("limited", "rate_limited"): 12, ("broken", "server_error"): 12}
    assert set(provider.keys) == {KEY, "none"}
    for path in (folder / "runs").rglob("*"):
        if path.is_file():
            assert KEY.encode() not in path.read_bytes()


def test_key_in_an_error_is_not_logged(folder, monkeypatch):
    """A provider that sends the key back stops the run, and the message does not hold the key."""
    monkeypatch.setenv("MY_NAME", KEY)
    with bad_provider() as provider:
        text = f"""
targets:
  m: {{kind: model, model: openai/x, api_base: {provider.base("401")}, api_key_env: MY_NAME}}
"""
        with pytest.raises(ProviderError, match="Incorrect API key") as caught:
            collect(folder / "prompts.jsonl", write_targets(folder, text), "mine", complete)
    assert provider.keys == [KEY]
    assert KEY not in str(caught.value)
    assert KEY not in (folder / "runs" / "mine.jsonl").read_text()


def test_tables(folder):
    """A finished run leaves Parquet tables in the form of a bundled dataset."""
    prompts = sums(3)
    prompts[1]["tier"] = 2
    write_prompts(folder / "prompts.jsonl", prompts)
    targets = write_targets(folder, MODEL_TARGET)
    collect(folder / "prompts.jsonl", targets, "mine", answered("none"))
    requests = pq.read_table(folder / "runs" / "mine" / "requests.parquet")
    outcomes = pq.read_table(folder / "runs" / "mine" / "outcomes.parquet")
    assert requests["tier"].to_pylist() == [None, 2, None]
    assert requests["prompt_chars"].to_pylist() == [14, 14, 14]
    assert "options" not in requests.column_names
    assert requests["timestamp"].null_count == 0
    assert outcomes["quality"].to_pylist() == [0.0] * 3
    assert outcomes["error"].to_pylist() == ["invalid_output"] * 3
    assert outcomes["error_detail"].to_pylist() == ["there is no number in the answer"] * 3
    assert outcomes["answer"].to_pylist() == ["none"] * 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prompt": ""}, "prompts.jsonl:2: prompt: String should have at least 1 character"),
        ({"category": None}, "prompts.jsonl:2: category: Input should be a valid string"),
        ({"reference": 3}, "prompts.jsonl:2: reference: Input should be a valid string"),
        ({"grader": "numbr"}, "prompts.jsonl:2: no grader 'numbr'; allowed: 'number' .did you"),
        ({"options": {"tol": 1}}, "prompts.jsonl:2: grader number has no option 'tol'"),
        ({"request_id": "sum-00"}, "request_id 'sum-00' is there 2 times"),
        ({"extra": {"a": 1}}, "prompts.jsonl:2: extra"),
    ],
)
def test_wrong_prompts(folder, change, message):
    """What is wrong in a prompts file is named with its line."""
    prompts = sums(3)
    prompts[1] |= change
    with pytest.raises(DataError, match=message):
        load_prompts(write_prompts(folder / "prompts.jsonl", prompts))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "there are no prompts"),
        ("\n\n", "there are no prompts"),
        ("{", "prompts.jsonl:1: not a JSON object"),
        ("[" * 9999, "prompts.jsonl:1: not a JSON object"),
        ("[1]", "prompts.jsonl:1"),
    ],
)
def test_prompts_that_are_none(folder, text, message):
    """A file without prompts is refused."""
    (folder / "prompts.jsonl").write_text(text)
    with pytest.raises(DataError, match=message):
        load_prompts(folder / "prompts.jsonl")


def test_mixed_types_are_refused_before_any_call(folder):
    """A column that cannot be stored is refused before anything is paid for."""
    prompts = sums(3)
    prompts[1]["tenant"] = 5
    call = answered()
    write_prompts(folder / "prompts.jsonl", prompts)
    with pytest.raises(DataError, match="column 'tenant' mixes types"):
        collect(folder / "prompts.jsonl", write_targets(folder, MODEL_TARGET), "mine", call)
    assert call.asked == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "targets.yaml: file: Input should be"),
        ("targets: {}", "targets: Dictionary should have at least 1 item"),
        ("targets: {a: {kind: modell}}", r"targets\.a: .*'modell'.*expected tags: 'model', 'tool'"),
        ("targets: {a: {kind: model}}", r"targets\.a\.model\.model: Field required"),
        ("targets: {a: {kind: tool, tool: abacus}}", r"targets\.a\.tool\.tool: .*'calculator'"),
        ("targets: {a: {kind: tool, tool: calculator, x: 1}}", r"tool\.x: Extra inputs"),
        ("targets: {a: {kind: model, model: m, timeout_s: -1}}", "greater than 0"),
        ("targets: {a: {kind: model, model: m, price: {}}}", "either usd_per_cpu_hour, or both"),
        (
            "targets: {a: {kind: model, model: m, price: {input_usd_per_mtok: 1}}}",
            "either usd_per_cpu_hour, or both",
        ),
        (f"targets: {{a: {{kind: tool, tool: calculator, {MTOK_PRICE}}}}}", "has no tokens"),
        ("targets: {a: &x {kind: tool, tool: calculator}, b: *x}", "aliases are not allowed"),
        ("targets: {}\ntargets: {}", "'targets' is there twice"),
        ("targets: [", "is not YAML"),
        ("targets: !!python/object:os.system {}", "is not YAML"),
        ("targets: {a: {kind: model, model: m, api_key_env: NOT_SET}}", "NOT_SET is not set"),
        ("targets: {a: {kind: model, model: m, api_key_env: sk-123}}", "should match pattern"),
    ],
)
def test_wrong_targets(folder, text, message):
    """What is wrong in a targets file is named with its key."""
    with pytest.raises(DataError, match=message):
        load_targets(write_targets(folder, text))


@pytest.mark.parametrize(
    ("base", "workers", "message"),
    [
        ("https://api.example.com/v1", 1, "needs a model server on this machine"),
        ("http://127.0.0.1:1/v1", 1, "no process of yours listens on http://127.0.0.1:1/v1"),
        ("http://127.0.0.1:1/v1", 2, "needs calls one at a time; got 2 workers"),
    ],
)
def test_cpu_price_needs_a_server_here(folder, base, workers, message):
    """CPU time can only be measured here, for one call at a time."""
    price = "price: {usd_per_cpu_hour: 1}"
    text = f"targets: {{m: {{kind: model, model: openai/x, api_base: '{base}', {price}}}}}"
    targets = write_targets(folder, text)
    with pytest.raises(DataError, match=message):
        collect(folder / "prompts.jsonl", targets, "mine", answered(), workers=workers)


@pytest.mark.parametrize("name", ["", "../x", "a/b", "a b", "x" * 65, "local"])
def test_names(folder, name):
    """A run has a name that can be a file's, and not that of a bundled dataset."""
    with pytest.raises(DataError, match="name"):
        collect(folder / "prompts.jsonl", write_targets(folder, CALCULATOR), name, answered())
    assert not (folder / "runs").exists()


def test_progress(folder):
    """Progress counts up to the total and says what was spent and on which target."""
    seen: list[tuple[object, ...]] = []
    targets = write_targets(folder, MODEL_TARGET)
    call = answered(usd=0.5)
    collect(folder / "prompts.jsonl", targets, "mine", call, progress=lambda *now: seen.append(now))
    assert seen == [(i, 12, pytest.approx(i * 0.5), "m") for i in range(1, 13)]


@pytest.mark.model
def test_cpu_time_of_the_real_server(folder, model):
    """CPU time is positive, and at one thread not more than about the latency."""
    text = f"""
targets:
  small:
    kind: model
    model: openai/smollm2
    api_base: {model.api_base}
    max_tokens: 8
    price: {{usd_per_cpu_hour: 3600}}
"""
    write_prompts(folder / "prompts.jsonl", sums(2))
    began = time.perf_counter()
    collect(folder / "prompts.jsonl", write_targets(folder, text), "mine", complete)
    assert time.perf_counter() - began < 60
    for row in log_rows(folder):
        assert 0 < row["cost_usd"] <= row["latency_s"] + 0.1
