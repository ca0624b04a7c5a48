"""Where do we stand?"""

import streamlit as st

from toolkit.figures import frontier_figure
from toolkit.ui.advice import advice
from toolkit.ui.charts import chart
from toolkit.ui.page import begin
from toolkit.ui.tables import baseline_table
from toolkit.ui.text import literal
from toolkit.ui.tiles import tile_row, verdict

view = begin("Where do we stand?")
verdict(view)
st.caption(
    "Detour replays a routing policy on answers that were logged before, so you see what it "
    f"would have cost and scored. **{literal(view.dataset.name)}**: {literal(view.about)}"
)
tile_row(view)

picture, following = st.columns([3, 2])
with picture:
    chart(
        "Quality against cost",
        frontier_figure(
            view.summary, view.baselines, view.policy.goals, view.log_colours, view.logs
        ),
        "frontier",
        view.baselines.to_pandas().reset_index,
    )
with following, st.container(border=True, height="stretch"):
    st.markdown("**What to do next**")
    for item in advice(view):
        st.markdown(f":material/{item.icon}: {item.text}")
        st.page_link(
            item.page, label=item.label, icon=":material/arrow_forward:", query_params=item.query
        )

st.subheader("What every model does alone", anchor=False)
baseline_table(view.baselines, view.logs)

with st.expander("What these numbers rest on", icon=":material/rule:"):
    st.markdown("\n".join(f"- {literal(line)}" for line in view.summary.assumptions))
