"""Does a router that learned from the log beat the rules?"""

import streamlit as st

from toolkit.ui import router_parts as parts
from toolkit.ui import strays
from toolkit.ui.page import begin
from toolkit.ui.router_rivals import rivals
from toolkit.ui.router_saved import saved
from toolkit.ui.router_trust import trust
from toolkit.ui.router_view import trained

view = begin("Does a router that learned from the log beat the rules?", needs_fit=False)
lost = st.container()
found = trained(view)
if found is not None:
    parts.verdict(found)
    parts.setting(found)
    rivals(found)
    trust(found)
with lost:
    strays.note()
saved(view, found)
if found is not None:
    parts.assumptions(found)
