"""What is in this log, and can I trust it?"""

from toolkit.ui import data_figures, data_page
from toolkit.ui.data_bar import bar, news
from toolkit.ui.data_view import DataView
from toolkit.ui.page import begin_data

view = DataView(begin_data("What is in this log, and can I trust it?"))
news(view)
data_page.first_line(view)
bar(view)
data_page.tiles(view)

shown = data_page.chosen_models(view)
data_figures.missing(view, shown)
data_figures.quality(view, shown)
data_figures.spreads(view, shown)
data_figures.requests(view)
data_page.all_models(view)
data_page.not_shown(view)
