"""The router's estimator: what it reads, what it promises, and that a row stands for itself."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestRegressor
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import parametrize_with_checks
from threadpoolctl import threadpool_limits

from toolkit.embeddings import _model, embed
from toolkit.errors import DataError
from toolkit.learn.calibrate import calibrated, learn_curve
from toolkit.learn.columns import encode_columns, learn_columns
from toolkit.learn.costs import amounts, learn_amounts
from toolkit.learn.forest import fit_forest, forest_mean
from toolkit.learn.heads import MANY
from toolkit.learn.linear import Block, fit_linear, linear, logistic
from toolkit.learn.router import QualityRouter
from toolkit.learn.trees import of_boosting, of_forest, summed
from toolkit.learn.words import learn_words, words

MODELS = ["small", "large"]
HEADS = ("auto", "logistic", "boosting", "neighbours", "stack")


def requests(n: int, seed: int = 0) -> tuple[pa.Table, np.ndarray, np.ndarray]:
    """Requests of three categories, of which the small model can do easy, short ones."""
    rng = np.random.default_rng(seed)
    category = rng.choice(["easy_sum", "hard_sum", "hard_proof"], n)
    length = rng.integers(5, 400, n)
    ask = np.where(category == "easy_sum", "add these numbers", "prove the theorem about primes")
    table = pa.table(
        {
            "request_id": [f"r{i}" for i in range(n)],
            "prompt": [
                f"{a} {i} " + "x1 " * (k // 20)
                for a, i, k in zip(ask, rng.integers(0, 99, n), length, strict=True)
            ],
            "category": category,
            "input_tokens": length,
            "has_code": rng.random(n) < 0.5,
        }
    )
    easy = np.where(category == "easy_sum", 2.0, -1.0) - length / 200
    p = np.stack([logistic(easy), logistic(easy * 0.3 + 2)], axis=1)
    y = (rng.random((n, 2)) < p).astype(float)
    cost = np.stack([length * 1e-6 + 1e-5, length * 2e-5 + 1e-4], axis=1)
    return table, y, cost * rng.lognormal(0, 0.1, (n, 2))


@pytest.fixture(scope="module")
def mmlu(shared_datasets: Path) -> tuple[pa.Table, np.ndarray]:
    """Every third prompt of RouteLLM's MMLU, and which of two models answered it correctly."""
    rows = []
    for file in sorted((shared_datasets / "routellm_mmlu" / "responses").glob("*.csv")):
        with file.open(encoding="utf-8", newline="") as lines:
            for prompt, *right in list(csv.reader(lines))[1::3]:
                rows.append(
                    (prompt, file.stem.removeprefix("mmlu_"), *(r == "True" for r in right))
                )
    prompt, subject, *outcomes = zip(*rows, strict=True)
    return pa.table({"prompt": prompt, "subject": subject}), np.array(outcomes, float).T


# Embeddings


def slowly(text: str) -> np.ndarray:
    """A text's vector straight from the tokenizer, the text in one piece."""
    safe = text.encode("utf-8", "replace").decode()
    tokens = _model().tokenizer.encode(safe, add_special_tokens=False).ids
    if not text.strip() or not tokens:
        return np.zeros(256, np.float32)
    mean = _model().embedding[tokens].mean(axis=0, dtype=np.float64)
    return (mean / (np.linalg.norm(mean) or 1.0)).astype(np.float32)


@given(
    st.lists(st.text(alphabet=st.sampled_from(" \n\tabce.,-=09éß中▁<s>"), max_size=40), max_size=6)
)
@settings(max_examples=200)
def test_a_text_in_pieces_has_the_vector_of_the_whole(texts):
    """Cutting texts at words and line breaks changes no digit, whatever else is embedded."""
    expected = np.array([slowly(text) for text in texts]).reshape(-1, 256)
    assert np.array_equal(embed(texts), expected)


def test_half_a_character_is_embedded_as_a_question_mark():
    """A text that is no Unicode is still embedded."""
    assert np.array_equal(embed(["a \ud800 b"]), embed(["a ? b"]))


# Parts


def test_coefficients_are_those_of_the_input_as_it_is():
    """Scales of dense and sparse columns are in them: scores are scikit-learn's, per model."""
    from scipy import sparse

    rng = np.random.default_rng(1)
    x, w = rng.normal(size=(500, 7)), rng.uniform(0.2, 3, (500, 2))
    y = (rng.random((500, 2)) < logistic(x[:, :2] * 2 - 1)).astype(float)
    w[:50, 1] = 0.0
    blocks = [Block(x[:, :4], 0.5), Block(sparse.csr_matrix(x[:, 4:]), 2.0)]
    found = fit_linear(blocks, y, w, 3.0)
    scaled = x * np.repeat([0.5, 2.0], [4, 3])
    for j in range(2):
        one = LogisticRegression(C=1 / 3.0, tol=1e-8).fit(scaled, y[:, j], sample_weight=w[:, j])
        expected = one.decision_function(scaled)
        assert linear(blocks, found)[:, j] == pytest.approx(expected, abs=5e-3)


def test_a_fraction_is_that_much_of_both_outcomes():
    """A grade of 0.3 fits like three tenths of a success and seven of a failure."""
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(60, 2)), rng.random((60, 1))
    twice = np.vstack([x, x])
    hard = np.repeat([[1.0], [0.0]], 60, axis=0)
    found = fit_linear([Block(x)], y, np.ones_like(y), 1.0)
    same = fit_linear([Block(twice)], hard, np.vstack([y, 1 - y]), 1.0)
    assert found == pytest.approx(same, abs=1e-3)


@pytest.mark.parametrize("models", [1, 3])
def test_a_forest_as_arrays_is_scikit_learns(models):
    """The walk gives what scikit-learn predicts, also where a value stands on a cut."""
    rng = np.random.default_rng(3)
    x = np.round(rng.normal(size=(300, 6)), 1)
    y = rng.random((300, models))
    forest = RandomForestRegressor(20, min_samples_leaf=2, random_state=0).fit(x, y.squeeze())
    asked = np.round(rng.normal(size=(200, 6)), 1)
    found = forest_mean([of_forest(forest)], asked)
    assert found == pytest.approx(forest.predict(asked).reshape(200, models), abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_boosting_as_arrays_is_scikit_learns(seed):
    """The sum of the trees is the decision function, also far from what was seen."""
    rng = np.random.default_rng(seed)
    x = np.round(rng.normal(size=(300, 5)), 1)
    y = rng.random(300) < logistic(x[:, 0])
    model = HistGradientBoostingClassifier(max_iter=15, max_features=0.5, random_state=0)
    asked = np.vstack([x, rng.normal(size=(50, 5)) * 100])
    with threadpool_limits(1):
        expected = model.fit(x, y).decision_function(asked)
    assert summed(of_boosting(model), asked)[:, 0] == pytest.approx(expected, abs=1e-12)


def test_each_row_is_told_by_trees_that_did_not_see_it():
    """Targets that are noise are foretold by no better than their mean, seen or not."""
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(400, 8)), rng.random((400, 2))
    w = np.ones((400, 2))
    (forest,), unseen = fit_forest(x, y, w, 0, 3)
    assert ((forest_mean([forest], x) - y) ** 2).mean() < 0.6 * y.var()
    assert ((unseen - y) ** 2).mean() > 0.97 * y.var()
    w[:150, 1] = 0.0
    forests, unseen = fit_forest(x, np.where(w > 0, y, np.nan), w, 0, 3)
    assert len(forests) == 2  # of what each model was observed on
    assert np.isfinite(unseen).all()


def test_auto_is_the_stack_of_few_requests_and_logistic_of_many():
    """What it became stands in the router."""
    table, y, _ = requests(MANY)
    router = QualityRouter(MODELS, text=None, calibration=None)
    assert router.fit(table, y).head_["kind"] == "logistic"
    assert router.fit(table.slice(1), y[1:]).head_["kind"] == "stack"


def test_words_are_those_of_three_texts_and_a_row_has_unit_length():
    """TF-IDF as by hand for a word that stands twice beside one that stands once."""
    known, found = learn_words(["tax tax law", "tax law", "tax law", "x", ""])
    found = found.toarray()
    assert found.shape == (5, 3)  # tax, law, and "tax law"
    assert not found[3:].any()
    a, b = 1 + np.log(2), 1.0  # all have the same idf
    assert sorted(found[0]) == pytest.approx(sorted(np.array([a, b, b]) / np.sqrt(a * a + 2)))
    assert words(known, []).shape == (0, 3)


def test_words_are_weighed_as_scikit_learn_does(mmlu):
    """The kept columns of its vectorizer and transformer, number for number, one by one or all."""
    texts = mmlu[0]["prompt"].to_pylist()[::3]
    known, found = learn_words(texts)
    word = r"[^\W\d_]+|[\d_]|[^\w\s]"
    plain = HashingVectorizer(
        token_pattern=word,
        lowercase=False,
        ngram_range=(1, 2),
        alternate_sign=False,
        norm=None,
        n_features=2**22,
    ).transform(texts)
    counts = plain.tocsc()[:, np.diff(plain.tocsc().indptr) >= 3].tocsr()
    expected = TfidfTransformer(sublinear_tf=True).fit_transform(counts)
    assert found.shape == expected.shape
    assert not (found != expected).nnz
    for i in range(0, len(texts), 50):
        one = words(known, texts[i : i + 1])
        assert np.array_equal(one.indices, found[i].indices)
        assert np.array_equal(one.data, found[i].data)


@given(st.lists(st.text(max_size=30), max_size=5))
@settings(max_examples=100, deadline=None)
def test_any_text_has_words(texts):
    """Letters of any language, signs and nothing at all: rows of unit length, or empty ones."""
    texts = [text.encode("utf-8", "replace").decode() for text in texts]
    known, found = learn_words(texts * 3)
    length = np.sqrt(np.asarray(found.multiply(found).sum(axis=1)).ravel())
    assert length == pytest.approx([float(bool(text.strip())) for text in texts] * 3)
    assert not (words(known, texts) != found[: len(texts)]).nnz


@given(st.integers(0, 2**31), st.sampled_from(["isotonic", "sigmoid", None]))
@settings(max_examples=20)
def test_calibration_never_turns_requests_around(seed, how):
    """A higher score never has the lower probability, and all are between 0 and 1."""
    rng = np.random.default_rng(seed)
    score = rng.normal(size=2500)
    y = (rng.random(2500) < logistic(2 * score + 1)).astype(float)
    p = calibrated(learn_curve(score, y, np.ones(2500), how), np.sort(score))
    assert (np.diff(p) >= 0).all()
    assert p.min() >= 0
    assert p.max() <= 1


def test_costs_add_up_and_are_never_negative():
    """Expected costs sum to the costs of the training requests; an unknown model's are NaN."""
    rng = np.random.default_rng(4)
    x = rng.normal(size=(800, 3))
    cost = np.stack([np.exp(x[:, 0] - 8), np.zeros(800), np.full(800, np.nan)], axis=1)
    learnt = learn_amounts(x, cost, np.ones((800, 3)))
    found = amounts(learnt, x)
    assert found[:, 0].sum() == pytest.approx(cost[:, 0].sum(), rel=1e-3)
    assert np.corrcoef(found[:, 0], cost[:, 0])[0, 1] > 0.95
    assert (found[:, 1] == 0).all()
    assert np.isnan(found[:, 2]).all()
    assert (amounts(learnt, x * 100)[:, :2] >= 0).all()


# Columns


def test_what_is_left_out_is_told_with_its_reason():
    """Ids, what is known afterwards, free text, constants and times are not read."""
    n = 200
    table = pa.table(
        {
            "request_id": [str(i) for i in range(n)],
            "user": ["a", "b"] * (n // 2),
            "propensity": np.linspace(0.1, 0.9, n),
            "expected_answer": ["x", "y"] * (n // 2),
            "notes": [f"note {i}" for i in range(n)],
            "same": [1] * n,
            "when": pa.array(np.arange(n), pa.timestamp("s")),
            "language": ["de", "en", "fr", "en"] * (n // 4),
            "turns": np.arange(n) % 7,
        }
    )
    read, left = learn_columns(table)
    assert [column["name"] for column in read] == ["language", "turns"]
    assert set(left) == set(table.column_names) - {"language", "turns"}
    assert all(left.values())


def test_missing_and_new_values_are_no_error():
    """A column that is not there, an empty value and a category never seen still give numbers."""
    table, *_ = requests(300)
    read, _ = learn_columns(table)
    bare = encode_columns(read, pa.table({"request_id": ["a"]}))
    new = encode_columns(read, pa.table({"category": ["poem"], "input_tokens": [None]}))
    assert np.array_equal(bare, new)
    assert np.isfinite(bare).all()


def test_a_column_of_another_kind_is_missing_later_and_named_in_training():
    """Text where numbers were learnt counts as missing; a name that is no column is an error."""
    table, y, _ = requests(300)
    router = QualityRouter(MODELS, text=None).fit(table, y)
    odd = router.predict({"input_tokens": ["many"]})
    assert np.array_equal(odd, router.predict({"input_tokens": [None]}))
    with pytest.raises(DataError, match=r"no such column; got 'lenght'"):
        QualityRouter(MODELS, columns=["lenght"]).fit(table, y)


# The router


@pytest.mark.parametrize("text", ["embedding", "both", None])
@pytest.mark.parametrize("head", HEADS)
def test_one_by_one_is_as_in_a_batch(head, text):
    """To the last digit, also in another order and with the columns in another order."""
    table, y, cost = requests(600)
    router = QualityRouter(MODELS, head=head, text=text).fit(table, y, cost_usd=cost)
    asked = requests(40, seed=9)[0]
    whole = router.forecast(asked)
    for i in (0, 7, 39):
        one = router.forecast(asked.slice(i, 1).select(asked.column_names[::-1]))
        for name in ("quality", "cost_usd", "latency_s", "novelty"):
            assert np.array_equal(getattr(one, name)[0], getattr(whole, name)[i], equal_nan=True)
    assert np.array_equal(router.predict(asked), whole.quality)
    assert np.array_equal(router.predict(asked.to_pandas()[::-1]), whole.quality[::-1])
    assert np.array_equal(router.predict_cost(asked), whole.cost_usd)
    assert np.array_equal(router.novelty(asked), whole.novelty)


@pytest.mark.parametrize("head", HEADS)
def test_the_same_seed_gives_the_same_router(head):
    """Fitting is repeatable, threads or not."""
    table, y, _ = requests(400)
    first, second = (QualityRouter(head=head, random_state=3).fit(table, y) for _ in range(2))
    assert np.array_equal(first.predict(table), second.predict(table))


@pytest.mark.parametrize("head", HEADS)
def test_it_learns_who_can_do_what(head):
    """Every head finds the easy, short requests and beats each model's mean on new requests."""
    table, y, _ = requests(1500)
    asked, truth, _ = requests(1500, seed=5)
    found = QualityRouter(MODELS, head=head).fit(table, y).predict(asked)
    brier, base = ((found - truth) ** 2).mean(0), truth.var(0)
    assert (brier < base * [0.85, 1.0]).all()
    assert abs(found.mean(0) - truth.mean(0)).max() < 0.04


def test_a_model_hardly_seen_has_a_mean_drawn_to_all():
    """Fewer than ten outcomes, or outcomes that are all alike, are no base for more."""
    table, y, _ = requests(300)
    y = np.hstack([y, np.ones((300, 1)), np.full((300, 1), np.nan)])
    y[:, 0] = np.nan
    y[:4, 0] = 1.0
    found = QualityRouter().fit(table, y).predict(table)
    for j in (0, 2, 3):
        assert (found[:, j] == found[0, j]).all()
    overall = np.nanmean(y)
    assert overall < found[0, 0] < 1
    assert found[0, 3] == pytest.approx(overall)


def test_weights_undo_whom_the_log_asked():
    """Where a model was mostly asked what it can do, weights bring its mean back."""
    table, y, _ = requests(4000)
    easy = np.asarray(table["category"]) == "easy_sum"
    asked = np.where(easy, 0.9, 0.1)
    seen = np.random.default_rng(6).random(4000) < asked
    logged = np.where(seen, y[:, 0], np.nan)
    plain = QualityRouter(columns=("has_code",), text=None).fit(table, logged)
    fair = QualityRouter(columns=("has_code",), text=None).fit(table, logged, 1 / asked)
    off = [abs(router.predict(table).mean() - y[:, 0].mean()) for router in (plain, fair)]
    assert off[1] < 0.03 < off[0]


def test_no_weight_is_an_outcome_that_was_not_seen():
    """Outcomes of weight 0 change nothing, whatever they are."""
    table, y, _ = requests(400)
    w = np.ones_like(y)
    w[:200, 0] = 0.0
    turned = y.copy()
    turned[:200, 0] = 1 - turned[:200, 0]
    first, second = (QualityRouter(MODELS).fit(table, some, w) for some in (y, turned))
    assert np.array_equal(first.predict(table), second.predict(table))


def test_an_explanation_names_known_requests_and_no_prompt():
    """What is expected, what was read, and which training requests are most alike."""
    table, y, cost = requests(300)
    router = QualityRouter(MODELS).fit(table, y, cost_usd=cost)
    told = router.explain(table.slice(7, 1))
    assert told["nearest"][0]["request_id"] == "r7"
    assert told["models"] == MODELS
    assert told["quality"] == router.predict(table)[7].tolist()
    assert "prove" not in repr(told)
    with pytest.raises(DataError, match="one request at a time; got 2"):
        router.explain(table.slice(0, 2))


def test_a_router_holds_no_prompt():
    """Nothing that is kept has a word of a prompt, only hashes and ids."""
    import pickle

    table, y, _ = requests(300)
    kept = pickle.dumps(QualityRouter(MODELS, text="both").fit(table, y))
    for word in (b"theorem", b"primes", b"numbers"):
        assert word not in kept


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"head": "deep"}, "head: got 'deep'; allowed: 'logistic'"),
        ({"calibration": "beta"}, "calibration: got 'beta'; allowed: 'isotonic'"),
        ({"text": "words"}, "text: no such way to read it; got 'words'"),
        ({"folds": 1}, "folds: got 1; allowed: 2 or more"),
        ({"models": ["a"]}, "models: got 1 names; allowed: 2 different ones"),
    ],
)
def test_a_parameter_that_is_not_known_is_named(change, message):
    """What was got and what is allowed."""
    table, y, _ = requests(50)
    with pytest.raises(DataError, match=message):
        QualityRouter(**change).fit(table, y)


def test_outcomes_that_cannot_be_are_named():
    """Quality above 1, and outcomes of other requests."""
    table, y, _ = requests(50)
    with pytest.raises(DataError, match="row 0, model 0: got 2; allowed: 0 to 1"):
        QualityRouter().fit(table, np.full_like(y, 2.0))
    with pytest.raises(DataError, match=r"y: got the shape \(49, 2\); allowed: \(50, models\)"):
        QualityRouter().fit(table, y[1:])
    with pytest.raises(DataError, match=r"cost_usd: got the shape \(50, 3\)"):
        QualityRouter().fit(table, y, cost_usd=np.ones((50, 3)))


def test_probabilities_hold_on_mmlu(mmlu):
    """Out of sample on real prompts: ECE at most 0.03, Brier score below the base rate's."""
    table, y = mmlu
    order = np.random.default_rng(0).permutation(len(y))
    train, test = order[: len(y) // 2], order[len(y) // 2 :]
    found = QualityRouter(MODELS).fit(table.take(train), y[train]).predict(table.take(test))
    for j in range(2):
        p, truth = found[:, j], y[test, j]
        bins = np.array_split(np.argsort(p, kind="stable"), 15)
        ece = sum(len(b) * abs(p[b].mean() - truth[b].mean()) for b in bins) / len(p)
        chance = np.mean([np.sqrt(p[b].mean() * (1 - p[b].mean()) / len(b)) for b in bins])
        assert ece <= 0.03 + 0.8 * chance  # what bins of 155 requests are off by if all holds
        assert ((p - truth) ** 2).mean() < 0.93 * truth.var()


# scikit-learn's contract


class OfLabels(QualityRouter):
    """The router for checks whose targets are class labels 0, 1, 2: as grades 0, ½, 1."""

    def fit(self, X, y, sample_weight=None):
        """Fit on the labels as grades."""
        if y is not None and len(y) and np.asarray(y).dtype.kind in "iuf":
            low, high = np.min(y), np.max(y)
            y = (np.asarray(y) - low) / (high - low or 1)
        return super().fit(X, y, sample_weight)


NOT_KEPT = {
    "check_sample_weights_shape": "mistakes are a DataError, which is no ValueError",
    "check_dtype_object": "labels of no kind are no grades: a DataError",
    "check_sample_weights_not_an_array": "its targets are no array that labels can be read from",
    "check_requires_y_none": "mistakes are a DataError, which is no ValueError",
    "check_all_zero_sample_weights_error": "the router then knows no more than that nothing counts",
    "check_sample_weight_equivalence_on_dense_data": "folds are drawn by row, so two equal rows are"
    " not one row of weight two",
}


@parametrize_with_checks([OfLabels()], expected_failed_checks=lambda _: NOT_KEPT)
def test_scikit_learns_checks(estimator, check):
    """What scikit-learn asks of every estimator, but for the exceptions that are stated."""
    if getattr(check, "keywords", {}).get("readonly_memmap"):
        pytest.xfail("what is remembered is read from a file as plain arrays, not mapped ones")
    check(estimator)


def test_a_frame_and_a_table_are_the_same():
    """Pandas, Arrow and a dictionary of columns give the same router."""
    table, y, _ = requests(300)
    frame = pd.DataFrame(table.to_pydict())
    found = [QualityRouter().fit(x, y).predict(table) for x in (table, frame, table.to_pydict())]
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])
