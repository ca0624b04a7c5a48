"""The eight models of ``fleet``: what is published of each, its list price, and what is assumed.

Accuracy, cost and latency are those of the Berkeley Function-Calling Leaderboard of 14 August 2024,
availability is of the two providers for which it is published. Prices are frozen here, so that a
newer price list does not change the dataset; a test says what moved.
"""

from __future__ import annotations

from dataclasses import dataclass

PRICE_LIST = "litellm 1.106.2"
LEADERBOARD_INPUT_TOKENS = 434.0
"""Mean input tokens of the leaderboard's prompts, as OpenAI's models count them."""


@dataclass(frozen=True, kw_only=True)
class Model:
    """One model: a row of the leaderboard, its list price, and what is assumed."""

    name: str
    provider: str
    row: str
    """Name in the leaderboard; ``Prompt`` asks in words, ``FC`` through the tools interface."""
    accuracy: float
    ast_executed_relevance: tuple[float, float, float]
    """The three sub-scores from which the spread over categories is derived."""
    cost_usd_per_1k: float
    latency_mean_s: float
    latency_sd_s: float
    latency_p95_s: float
    """For comparison: a log-normal has only two parameters, taken from mean and SD."""
    input_usd_per_mtok: float
    output_usd_per_mtok: float
    """List price, US dollars per million tokens."""
    availability: float
    """Share of calls without a transient failure, outside of outages."""
    quota_per_minute: int
    """Calls that a tenant may make in a minute (assumed)."""
    input_ratio: float = 1.0
    """Its tokens for those of OpenAI's models on the same text."""
    price_then: tuple[float, float] | None = None
    """The leaderboard's price where the list has another one now."""

    @property
    def output_tokens_mean(self) -> float:
        """Mean output tokens that give the published cost at the price of that time."""
        usd_in, usd_out = self.price_then or (self.input_usd_per_mtok, self.output_usd_per_mtok)
        paid = self.cost_usd_per_1k * 1000  # US dollars per million calls
        return (paid - LEADERBOARD_INPUT_TOKENS * self.input_ratio * usd_in) / usd_out

    @property
    def expected_cost_usd_per_1k(self) -> float:
        """The published cost at the list price of today."""
        tokens_in = LEADERBOARD_INPUT_TOKENS * self.input_ratio
        paid = (
            tokens_in * self.input_usd_per_mtok + self.output_tokens_mean * self.output_usd_per_mtok
        )
        return paid / 1000


_ANTHROPIC, _OPENAI = 0.9992, 0.9982
_BETWEEN = (_ANTHROPIC + _OPENAI) / 2
"""For providers whose availability is not published (assumed)."""

MODELS = (  # sorted by name, as a dataset has them
    Model(
        name="claude-3-5-sonnet-20240620",
        provider="anthropic",
        row="Claude-3.5-Sonnet-20240620 (Prompt)",
        accuracy=0.9053,
        ast_executed_relevance=(0.9189, 0.9000, 0.8417),
        cost_usd_per_1k=2.21,
        latency_mean_s=1.65,
        latency_sd_s=0.62,
        latency_p95_s=2.91,
        input_usd_per_mtok=3.0,
        output_usd_per_mtok=15.0,
        availability=_ANTHROPIC,
        quota_per_minute=16,
        input_ratio=1.147,
    ),
    Model(
        name="claude-3-haiku-20240307",
        provider="anthropic",
        row="Claude-3-Haiku-20240307 (Prompt)",
        accuracy=0.7506,
        ast_executed_relevance=(0.7960, 0.7426, 0.3500),
        cost_usd_per_1k=0.18,
        latency_mean_s=0.82,
        latency_sd_s=0.22,
        latency_p95_s=1.24,
        input_usd_per_mtok=0.25,
        output_usd_per_mtok=1.25,
        availability=_ANTHROPIC,
        quota_per_minute=24,
        input_ratio=1.147,
    ),
    Model(
        name="claude-3-opus-20240229",
        provider="anthropic",
        row="Claude-3-Opus-20240229 (Prompt)",
        accuracy=0.8800,
        ast_executed_relevance=(0.8872, 0.8637, 0.8458),
        cost_usd_per_1k=10.90,
        latency_mean_s=2.95,
        latency_sd_s=1.02,
        latency_p95_s=4.82,
        input_usd_per_mtok=15.0,
        output_usd_per_mtok=75.0,
        availability=_ANTHROPIC,
        quota_per_minute=10,
        input_ratio=1.147,
    ),
    Model(
        name="command-r-plus",
        provider="cohere",
        row="Command-R-Plus (Prompt) (Original)",
        accuracy=0.8082,
        ast_executed_relevance=(0.8355, 0.8836, 0.5750),
        cost_usd_per_1k=1.91,
        latency_mean_s=0.95,
        latency_sd_s=0.64,
        latency_p95_s=2.24,
        input_usd_per_mtok=3.0,
        output_usd_per_mtok=15.0,
        availability=_BETWEEN,
        quota_per_minute=16,
        input_ratio=1.012,
    ),
    Model(
        name="gpt-4-turbo-2024-04-09",
        provider="openai",
        row="GPT-4-turbo-2024-04-09 (Prompt)",
        accuracy=0.8712,
        ast_executed_relevance=(0.9136, 0.8873, 0.6458),
        cost_usd_per_1k=5.27,
        latency_mean_s=1.76,
        latency_sd_s=1.07,
        latency_p95_s=3.92,
        input_usd_per_mtok=10.0,
        output_usd_per_mtok=30.0,
        availability=_OPENAI,
        quota_per_minute=14,
    ),
    Model(
        name="gpt-4o-2024-08-06",
        provider="openai",
        row="GPT-4o-2024-08-06 (FC)",
        accuracy=0.8559,
        ast_executed_relevance=(0.8755, 0.8352, 0.8792),
        cost_usd_per_1k=1.29,
        latency_mean_s=1.32,
        latency_sd_s=1.17,
        latency_p95_s=3.78,
        input_usd_per_mtok=2.5,
        output_usd_per_mtok=10.0,
        availability=_OPENAI,
        quota_per_minute=20,
    ),
    Model(
        name="gpt-4o-mini-2024-07-18",
        provider="openai",
        row="GPT-4o-mini-2024-07-18 (Prompt)",
        accuracy=0.8735,
        ast_executed_relevance=(0.8860, 0.8998, 0.7542),
        cost_usd_per_1k=0.08,
        latency_mean_s=1.15,
        latency_sd_s=0.76,
        latency_p95_s=2.53,
        input_usd_per_mtok=0.15,
        output_usd_per_mtok=0.6,
        availability=_OPENAI,
        quota_per_minute=24,
    ),
    Model(
        name="mistral-large-2407",
        provider="mistral",
        row="mistral-large-2407 (FC Auto)",
        accuracy=0.7500,
        ast_executed_relevance=(0.8430, 0.8457, 0.4042),
        cost_usd_per_1k=1.82,
        latency_mean_s=3.36,
        latency_sd_s=3.78,
        latency_p95_s=10.13,
        input_usd_per_mtok=2.0,
        output_usd_per_mtok=6.0,
        availability=_BETWEEN,
        quota_per_minute=14,
        input_ratio=1.106,
        price_then=(3.0, 9.0),
    ),
)
