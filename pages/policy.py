"""Who goes where, and what if it fails?"""

import streamlit as st

from toolkit.figures import policy_figure
from toolkit.ui.charts import chart
from toolkit.ui.editor import editor, findings
from toolkit.ui.page import begin, misfit
from toolkit.ui.tables import flow_table
from toolkit.ui.tiles import tile_row
from toolkit.ui.words import traffic

view = begin("Who goes where, and what if it fails?", needs_fit=False)
if view.check.errors:
    misfit(view)
else:
    st.markdown(traffic(view))
    chart(
        "Requests → rules → chains → models",
        policy_figure(view.flows, view.colours),
        "diagram",
        lambda: flow_table(view.flows),
    )
    tile_row(view)
findings(view.check)
editor(view)
