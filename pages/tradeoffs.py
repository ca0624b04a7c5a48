"""What is the cheapest way to be good enough?"""

import streamlit as st

from toolkit.ui import strays
from toolkit.ui import tradeoffs_parts as parts
from toolkit.ui.page import begin
from toolkit.ui.tradeoffs_form import choose
from toolkit.ui.tradeoffs_goals import tried
from toolkit.ui.tradeoffs_logged import logged
from toolkit.ui.tradeoffs_point import opened
from toolkit.ui.tradeoffs_search import searched
from toolkit.ui.tradeoffs_slices import gains
from toolkit.ui.tradeoffs_table import table
from toolkit.ui.tradeoffs_view import sweep

view = begin("What is the cheapest way to be good enough?")
logged(view)
answer = st.container()
swept = sweep(view, choose(view), tried(view))
with answer:
    strays.note()
    parts.verdict(swept)

parts.overview(swept)
parts.alone(view)
opened(swept)
gains(swept)
parts.worth(swept)
table(swept)
searched(view)
parts.assumptions(swept)
