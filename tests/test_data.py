"The shipped training images are what data/README.md says they are. No network: only the files are read."
import hashlib, importlib.util, io, json, re
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path
import numpy as np, pytest
from PIL import Image

import pyarrow.parquet as pq
DATA = Path(__file__).parents[1]/"data"
FILES = ("icons", "monsters", "cats")
COUNTS = {"noto": 1451, "fluent": 1400, "fluent3d": 1400, "blob": 1030, "mono": 1353, "pixel": 1451, "sketch": 1353, "monster": 728, "kitten": 1060}
SPLITS = {"icons": {"train": 9253, "holdout": 185}, "monsters": {"train": 700, "test": 28}, "cats": {"train": 1000, "test": 60}}
LICENSES = {"icons": {"MIT": 5506, "Apache-2.0": 3932}, "monsters": {"CC0-1.0": 728}, "cats": {"CC-BY-4.0": 1060}}

@cache
def rows(name): return pq.read_table(DATA/f"{name}.parquet").to_pylist()
def column(name, key): return [r[key] for r in rows(name)]
def count(name, key): return dict(Counter(column(name, key)))
def name_of(r): return f"{r['style']} {r.get('label') or r['source_file']}"

def test_hashes():
    sums = dict(reversed(line.split()) for line in (DATA/"SHA256SUMS").read_text().splitlines())
    assert sums.keys() == {f"{n}.parquet" for n in FILES}
    wrong = {f: h for f, want in sums.items() if (h := hashlib.sha256((DATA/f).read_bytes()).hexdigest()) != want}
    assert not wrong, f"not the files of data/SHA256SUMS: {wrong}"

def test_counts():
    assert sum((Counter(column(n, "style")) for n in FILES), Counter()) == COUNTS

@pytest.mark.parametrize("name", FILES)
def test_splits(name): assert count(name, "split") == SPLITS[name]

@pytest.mark.parametrize("name", FILES)
def test_licences(name):
    assert count(name, "license") == LICENSES[name]
    text = (DATA/"LICENSES.md").read_text()
    missing = {s for s in column(name, "style") if s not in text} | {l for l in LICENSES[name] if l not in text}
    assert not missing, f"data/LICENSES.md does not name {missing}"

def test_the_card_says_what_the_files_hold():
    "Every table of data/README.md, counted anew."
    from bench.report import table_rows
    tables = table_rows((DATA/"README.md").read_text("utf-8").replace("`", "")); seen = 0; number = lambda s: int(s.replace(",", ""))
    for t in tables:
        seen += {*t[0]} >= {"rows"}
        if {*t[0]} >= {"file", "rows"}:
            for r in t:
                name = r["file"].removesuffix(".parquet"); assert [number(n) for n in re.findall(r"[\d,]*\d", r["rows"])] == [len(rows(name)), *SPLITS[name].values()] and all(l in r["licence"] for l in LICENSES[name]), r
        elif {*t[0]} >= {"licence", "rows", "which"}:
            assert {r["licence"]: number(r["rows"]) for r in t} == {l: n for name in FILES for l, n in count(name, "license").items()}
            assert all({s for name in FILES for s, l in zip(column(name, "style"), column(name, "license")) if l == r["licence"]} == {*r["which"].split(", ")} for r in t)
        elif {*t[0]} >= {"style", "train", "holdout"}:
            assert {(r["style"], number(r["rows"]), number(r["train"]), number(r["holdout"])) for r in t} == {(s, len(of), sum(x["split"] == "train" for x in of), sum(x["split"] == "holdout" for x in of)) for s in {*column("icons", "style")} for of in [[x for x in rows("icons") if x["style"] == s]]}
    assert seen == 3
    text = (DATA/"README.md").read_text("utf-8"); subjects = column("icons", "subject")
    assert f"{len({*column('icons', 'hexcode')}):,} Unicode subjects ({len({*subjects}):,} different phrases)" in text
    assert f"{sum(r['in_vetted_cc0_release'] for r in rows('monsters'))} of {len(rows('monsters'))} tiles" in text


@pytest.mark.parametrize("name", FILES)
def test_pictures(name):
    opaque = []
    for r in rows(name):
        img = Image.open(io.BytesIO(r["image"]["bytes"])); assert img.size == (64, 64) and img.format == "WEBP", name_of(r)
        if img.mode != "RGBA": opaque.append(name_of(r))
        else: assert img.getextrema()[3][1] > 0 and np.ptp(np.asarray(img)[..., 3]) > 0, f"{name_of(r)}: nothing to see, or no background"
    assert opaque == (["fluent face in clouds"] if name == "icons" else [])        # WebP drops an alpha that is 255 everywhere

@pytest.mark.parametrize("name", FILES)
def test_captions(name):
    for r in rows(name):
        said = r["captions"]; assert 2 <= len(said) <= 4 and len(set(said)) == len(said), name_of(r)
        assert all(c == c.strip() and c for c in said) and said[0] == f"{r['subject']}, {r['style']} style", name_of(r)
        if name == "icons": assert all(c.endswith((f", {r['style']} style", f", {r['style_words']} style")) for c in said) and said[1].endswith(f", {r['style_words']} style"), name_of(r)

def test_ink_is_never_called_coloured():
    words = {"gray", "grey", "red", "orange", "yellow", "green", "teal", "blue", "purple", "pink", "brown", "golden", "rainbow"}
    false = [name_of(r) for r in rows("icons") if r["style"] in ("mono", "sketch") and (set(r["subject"].split()) & words or r["main_color"])]
    assert not false, false

def test_holdout_rule():
    "A held-out subject was never trained in its style, and in at least four others; styles made from it and `blob` (taught late) do not decide."
    styles, drawn = defaultdict(set), defaultdict(set)
    for r in rows("icons"):
        if r["split"] == "train": styles[r["hexcode"]].add(r["style"]); drawn[r["subject"]].add(r["style"])
    for r in rows("icons"):
        if r["split"] == "holdout":
            assert r["style"] not in drawn[r["subject"]], f"{name_of(r)}: its subject is trained in the same style"
            assert len(styles[r["hexcode"]]-{r["style"], "blob"}) >= 4, f"{name_of(r)} is trained in {styles[r['hexcode']]} only"

def test_holdout_is_the_builders_list():
    want = json.loads((DATA/"build"/"holdout.json").read_text())
    assert {(r["style"], r["hexcode"]) for r in rows("icons") if r["split"] == "holdout"} == {(s, h) for s, hs in want.items() for h in hs}

def test_cats_hold_out_pairs_of_colour_and_accessory():
    pair = lambda r: tuple(int(r["source_file"].split()[1].split("-")[i]) for i in (0, 4)); train, test = ({pair(r) for r in rows("cats") if r["split"] == s} for s in ("train", "test"))
    assert not train & test and {b for b, _ in test} <= {b for b, _ in train} and {a for _, a in test} <= {a for _, a in train}

@pytest.mark.parametrize("name", FILES)
def test_no_row_twice(name):
    twice = [k for k, n in Counter((r["style"], r.get("hexcode") or r["source_file"]) for r in rows(name)).items() if n > 1]
    assert not twice, twice

def load(name):
    "A module of data/build, which stands apart from the package."
    spec = importlib.util.spec_from_file_location(f"data_build_{name}", DATA/"build"/f"{name}.py"); m = importlib.util.module_from_spec(spec); spec.loader.exec_module(m)
    return m

def test_builder_refuses_a_changed_package(tmp_path):
    fetch = load("fetch"); (tmp_path/"noto-1.2.9.tgz").write_bytes(b"not the archive")
    with pytest.raises(fetch.PackageError) as e: fetch.fetch("noto", tmp_path)
    said = str(e.value); assert all(w in said for w in ("@iconify-json/noto 1.2.9", fetch.PACKAGES["noto"]["sha256"], hashlib.sha256(b"not the archive").hexdigest(), "Delete the file"))

def test_builder_says_what_to_do_without_a_package(tmp_path, monkeypatch):
    fetch = load("fetch")
    def offline(*a, **k): raise fetch.urllib.error.URLError("no network")
    monkeypatch.setattr(fetch.urllib.request, "urlopen", offline)
    with pytest.raises(fetch.PackageError, match=r"(?s)crawl.*0\.28\.0 could not be fetched.*no network.*apt-get source.*cats build without it"): fetch.fetch("crawl", tmp_path)
    assert not list(tmp_path.iterdir())

def test_the_shipped_faces_are_what_their_script_makes():
    "The sheet of the package, pixel for pixel, and the list of where each face is from."
    made = load("faces"); here = DATA.parent/"sdcourse/faces"; picked = made.faces()
    assert (here/"faces.json").read_text("utf-8") == made.manifest(picked) and len(picked) == 239
    assert np.array_equal(np.asarray(Image.open(here/"faces.png")), np.asarray(made.sheet(picked)))
    assert {r["license"] for r in picked} == {"MIT", "Apache-2.0"} and all(l in (here/"LICENSES.md").read_text("utf-8") for l in ("MIT", "Apache-2.0", "Copyright 2013 Google", "Copyright (c) Microsoft"))
