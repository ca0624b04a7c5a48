"""The same policy and outcomes through ``litellm.Router`` with mocked answers, and in replay.

LiteLLM's retries and fallbacks are on, its cooldowns are off (replay has no breaker yet), and
nobody sleeps: what is compared is the work per request. Each model stands in the router twice,
as one that answers and one that fails, and the log decides which of the two is called.
"""

from __future__ import annotations

import asyncio
import logging
import os
import statistics
import time
from unittest.mock import patch

from tests.bench.logs import made_up_log, three_step_policy
from toolkit import Dataset, Policy, replay

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

REQUESTS = 500
ROUNDS = 5


def chains_of(policy: Policy, dataset: Dataset) -> list[list[str]]:
    """Return, for each request, the router's model groups that stand for its chain's steps."""
    done = replay(policy, dataset)
    column = {name: k for k, name in enumerate(dataset.models)}
    names = tuple(policy.models)
    groups = []
    for i, chain in enumerate(done.chain):
        start, end = done.plan.chains[chain][["start", "end"]]
        steps = [names[m] for m in done.plan.steps["model"][start:end]]
        late = [dataset.latency_s[i, column[m]] > 3 for m in steps]
        fails = [late[j] or dataset.error[i, column[m]] > 0 for j, m in enumerate(steps)]
        groups.append([f"{m}-fails" if bad else m for m, bad in zip(steps, fails, strict=True)])
    return groups


def through_litellm(groups: list[list[str]]) -> tuple[float, int]:
    """Serve every request one after another; return seconds and the number answered."""
    import litellm

    litellm.suppress_debug_info = True
    logging.getLogger("LiteLLM Router").setLevel(logging.CRITICAL)
    logging.getLogger("LiteLLM").setLevel(logging.CRITICAL)
    models = sorted({name for group in groups for name in group})
    router = litellm.Router(
        model_list=[
            {
                "model_name": name,
                "litellm_params": {
                    "model": "openai/made-up",
                    "api_key": "none",
                    "mock_response": "litellm.InternalServerError"
                    if name.endswith("-fails")
                    else "42",
                },
            }
            for name in models
        ],
        num_retries=1,
        retry_after=0,
        disable_cooldowns=True,
    )
    answered = 0
    messages = [{"role": "user", "content": "what is an IBAN"}]

    async def no_sleep(_: float) -> None:
        return None

    start = time.perf_counter()
    with patch.object(time, "sleep", lambda _: None), patch.object(asyncio, "sleep", no_sleep):
        for first, *others in groups:
            try:
                router.completion(first, messages, fallbacks=[{first: others}])
                answered += 1
            except litellm.InternalServerError:
                pass
    return time.perf_counter() - start, answered


def main() -> None:
    """Print requests per second of both, and how many times faster replay is."""
    dataset, policy = made_up_log(REQUESTS), three_step_policy()
    groups = chains_of(policy, dataset)
    through_litellm(groups[:20])
    router_s, answered = through_litellm(groups)
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        done = replay(policy, dataset)
        times.append(time.perf_counter() - start)
    replay_s = statistics.median(times)
    print(
        f"litellm.Router: {REQUESTS / router_s:,.0f} requests/s, {answered} of {REQUESTS} answered"
    )
    print(f"replay of the same {REQUESTS}: {REQUESTS / replay_s:,.0f} requests/s,", end=" ")
    print(f"{int((done.status == 0).sum())} answered")
    print(f"ratio: replay is {router_s / replay_s:,.0f} times faster")


if __name__ == "__main__":
    main()
