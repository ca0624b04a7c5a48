"""What happens when a model fails?"""

import streamlit as st

from toolkit.ui import resilience_parts as parts
from toolkit.ui.page import begin
from toolkit.ui.resilience_cache import cache_curve
from toolkit.ui.resilience_goodput import storm
from toolkit.ui.resilience_requests import requests_hit
from toolkit.ui.resilience_scene import scene
from toolkit.ui.resilience_tiles import ladder, tile_row

view = begin("What happens when a model fails?")
st.badge("Injected faults: nobody observed this incident", icon=":material/bolt:", color="violet")
answer = st.container()
broken = parts.broken(view, scene(view))
with answer:
    parts.verdict(broken)

parts.timeline(broken)
parts.price(broken)
tile_row(broken)
parts.offer(broken)
ladder(broken)
parts.pulse(broken)
requests_hit(broken)
storm(broken)
cache_curve(view)
parts.assumptions(broken)
