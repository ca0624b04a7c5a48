"""The live cache against a plain one, a request at a time."""

from __future__ import annotations

import threading
from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.cache.store import AnswerCache
from toolkit.embeddings import embed
from toolkit.evaluate.cache_trial import trial
from toolkit.logs.datasets import load_dataset
from toolkit.policy.guards import Cache
from toolkit.scenarios.arrivals import traffic

PROMPTS = [
    "What is the capital of France?",
    "  What is the capital of   France?",
    "What's the capital of France?",
    "What is the capital of Spain?",
    "Tell me the capital city of Spain",
    "Is a whale a fish?",
    "Is the whale a fish?",
    "",
    None,
]


class Plain:
    """The words of the cache's fields as obvious Python: look at every entry each time."""

    def __init__(self, cache):
        self.cache = cache
        self.entries = OrderedDict()
        self.seen = {}

    def key(self, request):
        prompt = request["prompt"]
        text = None if prompt is None else " ".join(prompt.split())
        return request.get("tenant"), request.get("system"), text

    def likeness(self, key, other):
        if key == other:
            return 2.0
        if self.cache.kind == "exact" or key[:2] != other[:2]:
            return 0.0
        one, two = embed([key[2], other[2]]).astype(float)
        return min(float(one @ two), 1.0)

    def look_up(self, request, now, stale):
        key = self.key(request)
        if key[2] is None:
            return None
        most = self.cache.ttl_s + (self.cache.stale_if_error_s if stale else 0)
        near = [
            (-self.likeness(key, other), self.seen[other], other)
            for other, (_, stored) in self.entries.items()
            if now - stored <= most
        ]
        near = sorted(one for one in near if -one[0] >= self.cache.threshold)
        if not near:
            return None
        self.entries.move_to_end(near[0][2])
        return self.entries[near[0][2]][0]

    def store(self, request, answer, now):
        key = self.key(request)
        if key[2] is None:
            return
        if key not in self.entries:
            if len(self.entries) >= self.cache.max_entries:
                self.entries.popitem(last=False)
            self.seen[key] = len(self.seen) if key not in self.seen else max(self.seen.values()) + 1
        self.entries[key] = (answer, now)
        self.entries.move_to_end(key)


@settings(max_examples=80)
@given(
    kind=st.sampled_from(["exact", "semantic"]),
    threshold=st.sampled_from([0.6, 0.8, 0.95]),
    ttl=st.sampled_from([1.0, 5.0, 100.0]),
    stale=st.sampled_from([0.0, 10.0]),
    most=st.integers(1, 6),
    steps=st.lists(
        st.tuples(
            st.booleans(),
            st.sampled_from(PROMPTS),
            st.sampled_from(["a", "b"]),
            st.sampled_from([None, "s"]),
            st.sampled_from([0.0, 0.5, 3.0]),
            st.booleans(),
        ),
        max_size=60,
    ),
)
def test_it_answers_as_a_plain_cache_does(kind, threshold, ttl, stale, most, steps):
    """Look-ups and stores in any order give the answers, and leave the entries, of a plain loop."""
    cache = Cache(
        kind=kind, threshold=threshold, ttl_s=ttl, stale_if_error_s=stale, max_entries=most
    )
    live, plain, now = AnswerCache(cache), Plain(cache), 0.0
    for i, (storing, prompt, tenant, system, pause, old) in enumerate(steps):
        now += pause
        request = {"prompt": prompt, "tenant": tenant, "system": system}
        if storing:
            live.store(request, f"answer {i}", now)
            plain.store(request, f"answer {i}", now)
        else:
            hit = live.look_up(request, now, stale=old)
            assert (hit.answer if hit else None) == plain.look_up(request, now, old)
        assert [e.answer for e in live._entries.values()] == [a for a, _ in plain.entries.values()]


def test_a_hit_says_how_old_and_how_similar_it_is():
    """The same request is 1 to itself, another less; both tell the age of the answer."""
    cache = AnswerCache(Cache(kind="semantic", threshold=0.8))
    cache.store({"prompt": PROMPTS[0]}, "Paris", 10.0)
    same = cache.look_up({"prompt": PROMPTS[1]}, 15.0)
    other = cache.look_up({"prompt": PROMPTS[2]}, 16.0)
    assert (same.answer, same.age_s, same.similarity) == ("Paris", 5.0, 1.0)
    assert other.answer == "Paris"
    assert other.age_s == 6.0
    one, two = embed([PROMPTS[0], PROMPTS[2]])
    assert other.similarity == pytest.approx(float(one @ two), abs=1e-6)


@pytest.mark.parametrize("tenants", [(1, "1"), (1, True), (1, 1.0), ("a", "a "), (None, "None")])
def test_tenants_that_look_alike_are_not_one(tenants):
    """What is equal only to Python, or only to the eye, shares nothing."""
    cache = AnswerCache(Cache())
    cache.store({"prompt": "p", "tenant": tenants[0]}, "secret", 0.0)
    assert cache.look_up({"prompt": "p", "tenant": tenants[1]}, 0.0) is None
    assert cache.look_up({"prompt": "p", "tenant": tenants[0]}, 0.0)


def test_messages_are_one_request_as_text_and_as_objects():
    """A list of messages and its JSON have the same key."""
    cache = AnswerCache(Cache(kind="semantic"))
    cache.store({"prompt": [{"role": "user", "content": "hi "}]}, "hello", 0.0)
    hit = cache.look_up({"prompt": '[{"content": "hi", "role": "user"}]'}, 0.0)
    assert (hit.answer, hit.similarity) == ("hello", 1.0)


def test_columns_that_are_stated_are_the_key():
    """Without the prompt in the key, requests without a prompt are cached too."""
    cache = AnswerCache(Cache(key=("question",), scope=("user",)))
    cache.store({"question": 7, "user": "u"}, "x", 0.0)
    assert cache.look_up({"question": 7, "user": "u", "prompt": "other"}, 0.0).answer == "x"
    assert cache.look_up({"question": 7, "user": "v"}, 0.0) is None
    assert cache.look_up({"user": "u"}, 0.0) is None


def test_threads_leave_it_whole():
    """Many threads at once neither fail nor exceed the size nor mix tenants."""
    cache = AnswerCache(Cache(kind="semantic", threshold=0.7, max_entries=20))
    wrong, failures = [], []

    def work(tenant):
        rng = np.random.default_rng(tenant)
        try:
            for i in range(150):
                prompt = f"question number {rng.integers(0, 15)}"
                request = {"prompt": prompt, "tenant": tenant}
                if i % 2:
                    cache.store(request, f"{tenant}", float(i))
                else:
                    hit = cache.look_up(request, float(i))
                    if hit and hit.answer != f"{tenant}":
                        wrong.append(hit)
        except Exception as error:  # noqa: BLE001  whatever it is, the test reports it
            failures.append(error)

    threads = [threading.Thread(target=work, args=(t,)) for t in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert not wrong
    assert len(cache) == 20
    assert sum(len(group.keys) for group in cache._groups.values()) == 20


def test_it_serves_the_bundled_prompts_as_a_replay_does():
    """Asked one by one, each request gets the answer of the one that serves it in a replay."""
    local, model = load_dataset("local"), 1
    cache = Cache(kind="semantic", threshold=0.8, ttl_s=1000.0, max_entries=200)
    found = trial(cache, local, model, cache.ttl_s, cache.max_entries)
    source = dict(zip(found.row.tolist(), found.source.tolist(), strict=True))
    arrival_s, live = traffic(None, local).arrival_s, AnswerCache(cache)
    requests = local.requests.to_pylist()
    for row in np.argsort(arrival_s, kind="stable").tolist():
        hit = live.look_up(requests[row], arrival_s[row])
        assert (int(hit.answer) if hit else None) == source.get(row)
        if hit is None and local.error[row, model] == 0:
            live.store(requests[row], str(row), arrival_s[row])
    assert len(source) > 100
    assert len(live) == 200
