"""The Data page and its import wizard, run without a browser."""

from __future__ import annotations

import io
import zipfile

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from tests.app_home import NASTY, make_home, shop
from tests.test_pages import ROOT, opened, said, texts
from toolkit.errors import DataError
from toolkit.logs import store
from toolkit.logs.datasets import load_dataset, load_folder
from toolkit.logs.exporters import read_folder
from toolkit.logs.importers import import_file
from toolkit.ui import data_bar, data_view, loaders, sidebar, uploads
from toolkit.ui.import_wizard import suggested

LOG = """\
request_id,category,model,quality,latency_ms,cost_usd
r1,a,small,1,100,0.001
r1,a,large,0,200,0.002
r2,a,small,abc,100,0.001
r2,a,large,1,210,0.002
r3,b,small,1,0,0.001
r3,b,large,1,220,0.002
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The app's folders, of this test alone."""
    made = make_home(tmp_path)
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    loaders.infos.clear()
    return made


def page(**link: str) -> AppTest:
    """The Data page, as a link opens it."""
    return opened("data.py", **link)


def labels(app: AppTest) -> str:
    """The lines of what to look at."""
    return "\n".join(one.label for one in app.expander)


def upload(app: AppTest, name: str, content: str | bytes) -> AppTest:
    """Open the wizard and give it a file."""
    app.button(key="open-import").click().run()
    data = content.encode() if isinstance(content, str) else content
    app.file_uploader(key="import-files").upload(name, data, "text/plain").run()
    assert not app.exception
    return app


def test_the_first_line_says_what_is_there(home):
    """Shape, kind and what was measured are answered in words before anything else."""
    text = said(page())
    assert "shop: 120 requests, 3 models; complete: every model answered every request." in (
        text.replace("**", "")
    )
    assert "Quality, cost, latency and tokens are measured everywhere." in text


def test_the_tiles_are_the_datasets_own_numbers(home):
    """Requests, outcomes, measured shares and errors are those of the dataset."""
    data = load_dataset("shop")
    shown = {m.label: m.value for m in page().metric}
    assert shown["Requests"] == "120"
    assert shown["Outcomes"] == "360"
    assert shown["Quality measured"] == "100 %"
    assert shown["Errors"].replace("\\", "") == f"{100 * (data.error > 0).mean():.1f} %"


def test_what_is_odd_comes_first_with_its_rows(home):
    """A finding names the count, the share and the models, and opens on the rows behind it."""
    outcomes, requests = shop()
    outcomes.loc[outcomes.index[:5], "latency_s"] = 0.0
    home.dataset("odd", outcomes, requests)
    loaders.infos.clear()
    app = page(dataset="odd")
    assert "1 thing to look at before you trust it." in said(app)
    line = next(one for one in app.expander if "Latency of exactly 0 s" in one.label)
    assert "5 of 360 outcomes" in line.label.replace("\\", "")
    app.session_state["finding-odd-0"] = True
    app.run()
    assert "Models: large-1 (5)" in said(app)
    rows = next(d.value for d in app.dataframe if "latency_s" in d.value)
    assert set(rows["latency_s"]) == {0.0}


def test_what_was_not_measured_is_said(home):
    """A log without cost, latency and times says what cannot be shown, and draws no zeros."""
    home.dataset("bare", *shop(drop=("cost_usd", "latency_s", "answer")))
    loaders.infos.clear()
    app = page(dataset="bare")
    text = said(app)
    assert "cost and latency nowhere" in text
    assert "No cost was measured" in text
    assert "There are no times" in text
    shown = {m.label: m.value for m in app.metric}
    assert shown["Cost measured"] == "0 %"


def test_a_stretch_of_failures_is_an_outage(home):
    """A model that mostly works and fails for a while is found, with where it is seen."""
    outcomes, requests = shop(n=600)
    outcomes["error"] = None
    outcomes.loc[outcomes.index[100:160], "error"] = "timeout"  # of the first model
    home.dataset("down", outcomes, requests)
    loaders.infos.clear()
    app = page(dataset="down")
    found = [one.label for one in app.expander if "mostly failed" in one.label]
    assert len(found) == 1
    assert "of 60 errors fall into them" in found[0]
    app.session_state["coverage-what"] = "error"
    app.run()
    assert not app.exception


def test_a_log_of_live_traffic_is_called_that(home):
    """One model per request is said, with what that means for a replay."""
    outcomes, requests = shop()
    home.dataset("live", outcomes.groupby("request_id").sample(1, random_state=1), requests)
    loaders.infos.clear()
    text = said(page(dataset="live"))
    assert "one model per request, the one that served it" in text
    assert "Each request was seen under one model only" in text


def test_names_of_users_stay_text(home):
    """Models, categories, tenants and prompts of any kind break nothing and become no markup."""
    nasty = " ".join(NASTY.split())
    outcomes, requests = shop((f"a {nasty}", f"b {nasty}", "c"), (nasty, "plain"))
    requests["prompt"] = nasty
    requests["tenant"] = nasty
    outcomes["latency_s"] = 0.0
    home.dataset("odd", outcomes, requests)
    loaders.infos.clear()
    app = page(dataset="odd")
    for i in range(3):
        app.session_state[f"finding-odd-{i}"] = True
    app.run()
    assert not app.exception
    for text in texts(app) + [e.label for e in app.expander]:
        assert "<script" not in text.replace("\\<", "")
        assert "**bold**" not in text


def test_many_models_are_cut_to_the_best(home, monkeypatch):
    """The figures show the best at first, and a switch shows all."""
    monkeypatch.setattr("toolkit.ui.data_page.BEST", 2)
    app = page()
    assert app.toggle(key="all-models").label == "All 3 models in the figures"
    assert "Now the 2 with the best quality." in said(app)
    app.toggle(key="all-models").set_value(True).run()
    assert not app.exception


def test_a_large_dataset_is_not_loaded_unasked(home, monkeypatch):
    """The Data page works from aggregates; other pages say what loading takes, then do it."""
    import_file(write(home, "log.csv", LOG), "big")
    loaders.infos.clear()
    monkeypatch.setattr(sidebar, "LARGE", 3)
    monkeypatch.setattr(loaders, "load_dataset", refuse)
    app = page(dataset="big")
    assert "3 requests, 2 models" in said(app).replace("**", "")
    assert [box.key for box in app.sidebar.selectbox] == ["dataset"]
    assert app.query_params["dataset"] == "big"
    app.switch_page("pages/replay.py").run()
    assert "all of it has to be in memory" in said(app)
    monkeypatch.setattr(loaders, "load_dataset", load_dataset)
    app.button(key="load-large").click().run()
    assert not app.exception
    assert app.selectbox(key="policy").value


def refuse(name):
    """Stand in for what must not be called."""
    raise AssertionError(f"{name} was loaded")


def write(home, name, content):
    """A file of this test."""
    path = home.store.parent / name
    path.write_text(content, "utf-8")
    return path


def test_the_choices_survive_a_large_dataset(home, monkeypatch):
    """Policy and baseline are as they were after a look at a dataset that is too large for them."""
    import_file(write(home, "log.csv", LOG), "big")
    loaders.infos.clear()
    monkeypatch.setattr(sidebar, "LARGE", 100)
    app = opened(policy="plain", baseline="model:tool-1", seed="3", dataset="shop")
    monkeypatch.setattr(sidebar, "LARGE", 3)
    app.selectbox(key="dataset").select("big").run()
    assert "all of it has to be in memory" in said(app)
    monkeypatch.setattr(sidebar, "LARGE", 1_000)
    app.selectbox(key="dataset").select("shop").run()
    assert app.selectbox(key="policy").value == "plain"
    assert app.selectbox(key="baseline").value == "model:tool-1"
    assert app.number_input(key="seed").value == 3


def test_a_log_is_uploaded_looked_at_imported_and_chosen(home):
    """The preview's counts add up, rejects have line and reason, and the new dataset is shown."""
    app = upload(page(), "my log.csv", LOG)
    text = said(app)
    assert "6 rows = 5 stored + 1 rejected + 0 left out." in text
    assert "Found: Long table." in text
    rejected = next(d.value for d in app.dataframe if "reason" in d.value)
    assert rejected["line"].tolist() == [4]
    assert "quality" in rejected["reason"][0]
    assert app.text_input(key=name_key(app)).value == "my-log"
    app.button(key="import-go").click().run()
    assert not app.exception
    assert app.selectbox(key="dataset").value == "my-log"
    assert "**Imported.** 6 rows = 5 stored + 1 rejected + 0 left out." in said(app)
    assert "my-log: 3 requests, 2 models" in said(app).replace("**", "")
    assert load_dataset("my-log").n_outcomes == 5


def name_key(app: AppTest) -> str:
    """Key of the field of the name, which belongs to the file."""
    return next(one.key for one in app.text_input if one.key.startswith("import-name"))


def test_columns_of_ones_own_are_named_in_the_form(home):
    """An unknown table says so, and is read once the form says what its columns mean."""
    app = upload(page(), "own.csv", "id,llm,score\nq1,small,1\nq1,large,0\n")
    assert "the format is not known" in said(app)
    for ours, column in (("request_id", "id"), ("model", "llm"), ("quality", "score")):
        box = next(b for b in app.selectbox if b.key.startswith(f"import-map-{ours}-"))
        box.select(column).run()
    assert not app.exception
    assert "2 rows = 2 stored" in said(app)
    app.button(key="import-go").click().run()
    assert load_dataset("own").models == ("large", "small")


def test_prompts_come_from_a_second_file_and_are_masked(home):
    """The files and options beside the log reach the importer."""
    app = upload(page(), "with prompts.csv", LOG)
    prompts = "request_id,prompt\nr1,write to ann@example.com\nr2,hello\nr3,hi\n"
    app.file_uploader(key="import-prompts").upload("p.csv", prompts.encode(), "text/csv").run()
    app.checkbox(key="import-redact").check().run()
    assert not app.exception
    app.button(key="import-go").click().run()
    kept = load_dataset("with-prompts").column("prompt").to_pylist()
    assert "hello" in kept
    assert not any("ann@example.com" in text for text in kept)


@pytest.mark.parametrize(
    ("name", "content", "said_of_it"),
    [
        ("log.csv", "", "the file is empty"),
        ("log.pkl", b"\x80\x05K\x01.", "pickle"),
        ("log.docx", "hello", "kind of file not known"),
        ("log.csv", "a,b\n1,2\n", "the format is not known"),
        (f"{NASTY}.csv", "a,b\n1,2\n", "the format is not known"),
    ],
)
def test_what_cannot_be_imported_is_one_sentence(home, name, content, said_of_it):
    """Nothing is stored, and no traceback is shown."""
    app = upload(page(), name, content)
    assert said_of_it in said(app)
    assert not any(button.key == "import-go" for button in app.button)
    assert store.entries() == []


def test_a_name_that_is_taken_or_wrong_is_not_imported(home):
    """A bundled name is refused; a stored one needs a word that it may be replaced."""
    app = upload(page(), "shop.csv", LOG)
    assert "a bundled dataset has it" in said(app)
    assert app.button(key="import-go").disabled
    app.text_input(key=name_key(app)).set_value("fine").run()
    assert not app.button(key="import-go").disabled
    app.button(key="import-go").click().run()
    app = upload(page(), "fine.csv", LOG.replace("r3", "r4"))
    assert app.button(key="import-go").disabled
    app.checkbox(key="import-replace").check().run()
    app.button(key="import-go").click().run()
    assert "r4" in load_dataset("fine").column("request_id").to_pylist()


def test_a_path_is_taken_only_where_the_app_is_ones_own(home, monkeypatch):
    """The field for a path is there on this machine alone, and what is not there is said."""
    monkeypatch.setattr(uploads, "paths_allowed", lambda: False)
    app = page()
    app.button(key="open-import").click().run()
    assert not any(one.key == "import-path" for one in app.text_input)
    monkeypatch.setattr(uploads, "paths_allowed", lambda: True)
    app.run()
    app.button(key="open-import").click().run()
    app.text_input(key="import-path").set_value("/nowhere/log.csv").run()
    assert "/nowhere/log.csv: there is no such file or folder" in said(app)
    app.text_input(key="import-path").set_value(str(write(home, "here.csv", LOG))).run()
    assert "6 rows = 5 stored" in said(app)


def test_uploads_of_any_name_become_plain_different_files():
    """No name of a browser leads out of the folder, and two alike stay two."""
    names = uploads._names(["../../x.csv", "a/b\\x.csv", "", ".hidden", "x" * 500 + ".csv.gz"])
    assert names[:2] == ["x.csv", "x 2.csv"]
    assert len(set(names)) == 5
    assert all("/" not in n and not n.startswith(".") and len(n) < 140 for n in names)
    assert names[4].endswith(".csv.gz")


def test_hidden_files_are_not_read_by_their_path(tmp_path):
    """Settings and keys lie in hidden folders; a link into one is no way around."""
    (tmp_path / ".secret").mkdir()
    (tmp_path / ".secret" / "keys.json").write_text("{}", "utf-8")
    (tmp_path / "open.json").symlink_to(tmp_path / ".secret" / "keys.json")
    for name in (".secret/keys.json", "open.json", ".secret"):
        with pytest.raises(DataError, match="hidden files and folders are not read"):
            uploads.local(str(tmp_path / name))
    with pytest.raises(DataError, match="there is no such file"):
        uploads.local("\0")


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("spend logs.csv.gz", "spend-logs"),
        ("a.b.parquet", "a.b"),
        ("ü.csv", "my-log"),
        ("x" * 99 + ".jsonl", "x" * 64),
    ],
)
def test_a_name_is_suggested_from_the_file(tmp_path, file, name):
    """Only what may be in a name is taken, without the suffixes."""
    assert suggested(tmp_path / file) == name


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_a_download_reads_back_exactly(home, tmp_path, kind):
    """The zip holds the dataset in the chosen format."""
    view = data_view.DataView(loaders.infos()[0])
    with zipfile.ZipFile(io.BytesIO(data_bar.zipped(view, kind))) as packed:
        packed.extractall(tmp_path / "out")
    data, back = load_dataset("shop"), read_folder(tmp_path / "out" / "shop")
    assert back.to_arrow().equals(data.to_arrow())
    assert back.requests.equals(data.requests)


def test_a_huge_download_is_left_to_the_command_line(home, monkeypatch):
    """Instead of buttons there is the command."""
    monkeypatch.setattr(data_bar, "MOST_OUTCOMES", 10)
    app = page()
    assert "are too many for a browser" in said(app)
    assert app.code[0].value == "python -m toolkit export shop FOLDER"


def test_an_empty_app_begins_with_one_click_or_with_an_import(home, monkeypatch, tmp_path):
    """The dataset that comes with the app is stored and shown; the wizard stands beside it."""
    monkeypatch.setenv("DETOUR_BUNDLED", str(tmp_path / "empty"))
    loaders.infos.clear()
    app = page()
    assert app.subheader[0].value == "No dataset yet"
    assert app.file_uploader(key="import-files")
    app.button(key="example").click().run()
    assert not app.exception
    assert app.selectbox(key="dataset").value == "local"
    assert load_dataset("local").n_requests == load_folder(ROOT / "data" / "local").n_requests


def test_parts_are_computed_once(home):
    """A second look at the same data asks the database nothing."""
    view = data_view.DataView(loaders.infos()[0])
    facts = view.models
    assert data_view.DataView(loaders.infos()[0]).models is facts
    assert isinstance(facts.models, tuple)
    assert isinstance(pd.DataFrame({"model": facts.models}), pd.DataFrame)
