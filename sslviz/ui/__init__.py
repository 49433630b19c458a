"""What pages share. Only `sslviz.ui` imports streamlit, and nothing of it imports torch until a model is asked for."""

from sslviz.errors import UserError
from sslviz.jobs.worker import Progress, Report, Stopped, Worker
from sslviz.ui import decoding, probe, tour
from sslviz.ui.address import bound
from sslviz.ui.download import download
from sslviz.ui.figures import fold, foldouts, picked_ids, show, theme
from sslviz.ui.gallery import choose_image, gallery, thumbnails
from sslviz.ui.latent_plane import plane
from sslviz.ui.map_view import atlas, read_ids, show_map, write_ids
from sslviz.ui.page_shell import PAGES, begin_page, escape, plain_errors, start
from sslviz.ui.selection import Selection, choose, data_title, models, need_model, open_page
from sslviz.ui.stored import (
    load_model,
    metric_of,
    need_labels,
    some_of_each,
    stored,
    test_images,
)
from sslviz.ui.tables import data_table, left_out, model_tables
from sslviz.ui.work import call, compare, fit_map, keep_model, owner, store_maps, watch, watch_maps, worker
