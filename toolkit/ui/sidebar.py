"""The choices that every page shares: dataset, policy, baseline, seed. They stand in the link."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import streamlit as st

from toolkit.errors import PolicyError
from toolkit.evaluate.baselines import Baselines
from toolkit.logs.datasets import DatasetInfo, bundled_folders
from toolkit.policy.model import Policy
from toolkit.ui import desk, loaders, states, strays
from toolkit.ui.drafts import Draft
from toolkit.ui.starter import NAME as STARTER
from toolkit.ui.starter import starter
from toolkit.ui.view import View

if TYPE_CHECKING:
    from toolkit.logs.dataset import Dataset

_LINK, VIEW = "link", "view"
SIDE = "sidebar"
"""What a link asks of the sidebar in vain is kept as this."""
INFO = "info"
"""Session key: the chosen dataset as the list has it; None where there is none."""
LOADED = "loaded"
"""Session key: digests of the large datasets that were asked for in this session."""
LARGE = 4_000_000
"""Requests × models above which a dataset is loaded only when that was asked for."""
_MODEL, _POLICY = "model:", "policy:"
_KINDS = {
    "complete": "",
    "logged": ", one model each",
    "partial": ", not all observed",
}
_SEED = re.compile("[0-9]{1,9}")
Found = dict[str, Policy | PolicyError]


def sidebar() -> None:
    """Draw the sidebar, and leave the view for the page that follows."""
    if _LINK not in st.session_state:
        st.session_state[_LINK] = st.query_params.to_dict()
    st.session_state[INFO] = None
    with st.sidebar:
        infos = loaders.infos()
        if not infos:
            st.session_state[VIEW] = states.NoDataset()
            return
        info = _dataset(infos)
        st.session_state[INFO] = info
        if _waits(info):
            st.session_state[VIEW] = states.LargeDataset(info)
            return
        data = loaders.dataset(info.name, info.digest)
        found: Found = {**loaders.policies(), STARTER: starter(loaders.bases(data))}
        name = _policy(found, data)
        saved = found[name]
        if isinstance(saved, PolicyError):
            st.session_state[VIEW] = states.BrokenFile(name, saved)
            return
        draft = _draft(name, saved)
        options = _baseline_options(found, name, draft.changed, draft.policy, data)
        labels = {key: _baseline_label(key, name) for key in options}
        chosen = _baseline(options, labels, draft.policy, loaders.bases(data))
        with st.expander("More"):
            if "seed" not in st.session_state:
                wanted = _wanted("seed") or ""
                known = _SEED.fullmatch(wanted)
                st.session_state["seed"] = int(wanted) if known else 0
                if wanted and not known:
                    strays.lost("seed", wanted, SIDE)
            seed = st.number_input(
                "Seed",
                min_value=0,
                max_value=2**31,
                step=1,
                key="seed",
                help="Of all that is drawn by chance: retries that the log does not hold, splits.",
            )
        _leave_link(info.name, name, chosen, int(seed or 0), draft)
    st.session_state[VIEW] = View(
        dataset=data,
        about=about(info),
        policy=draft.policy,
        is_draft=draft.changed,
        baseline=options[chosen],
        baseline_name=labels[chosen],
        seed=int(seed or 0),
    )


def _wanted(key: str) -> str | None:
    """What the link asked for, when the session began."""
    found: str | None = st.session_state[_LINK].get(key)
    return found


def _start(key: str, options: list[str], otherwise: str) -> None:
    """Give a choice its first value, and a new one where the old one is no longer offered."""
    if st.session_state.get(key) not in options:
        wanted = _wanted(key)
        st.session_state[key] = wanted if wanted in options else otherwise


def _waits(info: DatasetInfo) -> bool:
    """The dataset is large and nobody asked to load it; the other choices wait with it."""
    asked: set[str] = st.session_state.setdefault(LOADED, set())
    if info.n_requests * info.n_models <= LARGE or info.digest in asked:
        return False
    for key in ("policy", "baseline", "seed"):
        if key in st.session_state:  # or it would be forgotten, as its field is not drawn
            st.session_state[key] = st.session_state[key]
    if st.query_params.get("dataset") != info.name:
        st.query_params["dataset"] = info.name
    return True


def _dataset(infos: list[DatasetInfo]) -> DatasetInfo:
    names = {info.name: info for info in infos}
    if (imported := st.session_state.pop(states.IMPORTED, None)) in names:
        st.session_state["dataset"] = imported
        st.session_state.pop(states.STRAY, None)
    wanted = _wanted("dataset")
    if wanted and wanted not in names and "dataset" not in st.session_state:
        st.session_state[states.STRAY] = ("dataset", wanted)
    _start("dataset", list(names), infos[0].name)
    chosen = st.selectbox(
        "Dataset",
        list(names),
        key="dataset",
        on_change=lambda: st.session_state.pop(states.STRAY, None),
        help="Logged requests with what each model answered.",
    )
    info = names[chosen]
    st.caption(f"{info.n_requests:,} requests × {info.n_models:,} models" + _KINDS[info.kind])
    return info


def _policy(found: Found, data: Dataset) -> str:
    fitting = [name for name, one in found.items() if fits(one, data)]
    wanted = _wanted("policy")
    if wanted and wanted not in found and "policy" not in st.session_state:
        st.session_state[states.STRAY] = ("policy", wanted)
    if (saved := st.session_state.pop(states.CHOSEN, None)) in found:
        st.session_state["policy"] = saved
    preferred = "tiered" if "tiered" in fitting else fitting[0]
    _start("policy", list(found), preferred)

    def label(name: str) -> str:
        shown = "New: suggested for this data" if name == STARTER else name
        if isinstance(found[name], PolicyError):
            return f"{shown} · cannot be read"
        return shown if name in fitting else f"{shown} · does not fit"

    return st.selectbox(
        "Policy",
        [*fitting, *(name for name in found if name not in fitting)],
        key="policy",
        format_func=label,
        on_change=desk.forget_typing,
        help="Rules that choose models, and chains that catch failures.",
    )


def fits(policy: Policy | PolicyError, data: Dataset) -> bool:
    """The data has every model of the policy, and the columns that its rules ask for."""
    return isinstance(policy, Policy) and not loaders.checked(policy, data).errors


def _draft(name: str, saved: Policy) -> Draft:
    draft = desk.draft(name, saved)
    wanted = st.session_state[_LINK].pop("draft", None)
    if wanted and not draft.changed and name == _wanted("policy"):
        if desk.take_from_shelf(name, saved, wanted):
            draft = desk.draft(name, saved)
        else:
            st.session_state[states.STRAY] = ("draft", name)
    if draft.changed:
        with st.container(border=True):
            st.markdown(":material/edit: **Unsaved draft**")
            st.caption("It stays while this app runs. Save it on the Policy page.")
            with st.popover("Discard", icon=":material/delete:", type="tertiary"):
                st.markdown("Forget all edits and go back to what is saved?")
                st.button("Discard the draft", on_click=desk.drop, args=(name,), type="primary")
    return draft


def _baseline_options(
    found: Found, name: str, changed: bool, policy: Policy, data: Dataset
) -> dict[str, Policy]:
    """What the policy can be compared with: as saved, its models alone, policies, other models."""
    own = [m for m in dict.fromkeys(map(policy.log_name, policy.models)) if m in data.models]
    others = [n for n in found if fits(found[n], data) and n not in {name, STARTER}]
    saved = found[name]
    options: dict[str, Policy] = {}
    if changed and isinstance(saved, Policy) and fits(saved, data):
        options[_POLICY + name] = saved
    options |= {_MODEL + m: Policy.single(m) for m in own}
    for other in others:
        one = found[other]
        if isinstance(one, Policy):
            options[_POLICY + other] = one
    return options | {_MODEL + m: Policy.single(m) for m in data.models if m not in own}


def _baseline(
    options: dict[str, Policy], labels: dict[str, str], policy: Policy, bases: Baselines
) -> str:
    def quality(key: str) -> float:
        value = bases[key.removeprefix(_MODEL)].quality.value
        return -1.0 if math.isnan(value) else value

    own = {_MODEL + policy.log_name(model) for model in policy.models} & options.keys()
    singles = [k for k in options if k in own] or [k for k in options if k.startswith(_MODEL)]
    wanted = _wanted("baseline")
    if wanted and wanted not in options and "baseline" not in st.session_state:
        strays.lost("baseline", labels.get(wanted, wanted.partition(":")[2] or wanted), SIDE)
    _start("baseline", list(options), max(singles, key=quality))
    return st.selectbox(
        "Compared with",
        list(options),
        key="baseline",
        format_func=lambda key: labels.get(key, key),
        help="Every change is against this, on the same requests.",
    )


def _baseline_label(key: str, name: str) -> str:
    if key.startswith(_MODEL):
        return f"{key.removeprefix(_MODEL)} alone"
    own = key.removeprefix(_POLICY)
    shown = "the suggestion" if own == STARTER else own
    return f"{shown} as saved" if own == name else f"{shown} (policy)"


def _leave_link(dataset: str, policy: str, baseline: str, seed: int, draft: Draft) -> None:
    """Write the choices into the address, so that it can be sent to a colleague."""
    link = {"dataset": dataset, "policy": policy, "baseline": baseline, "seed": str(seed)}
    if draft.changed:
        link["draft"] = desk.mark(draft)
    own = {*link, "draft"}
    kept = {k: v for k, v in st.query_params.to_dict().items() if k not in own}
    if st.query_params.to_dict() != kept | link:
        st.query_params.from_dict(kept | link)


def about(info: DatasetInfo) -> str:
    """What a dataset is, in its own words: title and first paragraph of its README, else a file."""
    folder = bundled_folders().get(info.name)
    readme = folder / "README.md" if folder else None
    if readme is None or not readme.is_file():
        return f"Imported from {info.source}."
    title, *blocks = readme.read_text("utf-8").split("\n\n")
    prose = (b for b in blocks if b.strip() and not b.lstrip().startswith(("#", "|", "`", "-")))
    what = title.partition(":")[2].strip().capitalize()
    return " ".join(f"{what}{'. ' if what else ''}{next(prose, '')}".split())
