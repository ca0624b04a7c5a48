"""What would it have cost and scored?"""

import streamlit as st

from toolkit.evaluate.breakdown import endings_by_model, endings_by_route, latency_curves
from toolkit.figures import category_figure, cost_figure, endings_figure, latency_figure
from toolkit.ui import tables
from toolkit.ui.charts import chart
from toolkit.ui.page import begin
from toolkit.ui.requests import request_browser
from toolkit.ui.text import literal
from toolkit.ui.tiles import tile_row
from toolkit.ui.words import outcome

view = begin("What would it have cost and scored?")
st.markdown(outcome(view))
tile_row(view)

curves = latency_curves(view.replay)
routes, calls = endings_by_route(view.replay), endings_by_model(view.replay)
left, right = st.columns(2)
with left:
    chart(
        "Cost of 1,000 requests by model",
        cost_figure(view.costs, view.colours),
        "cost",
        lambda: tables.slices(view.summary.by_model, "model"),
    )
    chart(
        "How requests end, by rule",
        endings_figure(routes, "requests", view.colours),
        "routes",
        lambda: tables.endings(routes, "rule"),
    )
    chart(
        "How calls end, by model",
        endings_figure(calls, "calls", view.colours),
        "calls",
        lambda: tables.endings(calls, "model"),
    )
with right:
    chart(
        "Latency, by the model that answered",
        latency_figure(curves, view.colours),
        "latency",
        lambda: tables.curves(curves),
    )
    chart(
        "Quality by category",
        category_figure(view.summary, view.base_summary),
        "categories",
        lambda: tables.slices(view.summary.by_category, "category"),
    )

st.subheader("Every request", anchor=False)
request_browser(view)

with st.expander("What these numbers rest on", icon=":material/rule:"):
    st.markdown("\n".join(f"- {literal(line)}" for line in view.summary.assumptions))
