"""A lesson on Colab or Kaggle: the set-up cell installs the course, keeps the machine's own packages, and the rest of the lesson finds what it needs.

Colab cannot be had here, its published pins can (tests/colab.json). pip resolves our requirements for real, offline, in an environment that claims to hold those pins, with an index of wheels that hold nothing but metadata."""
import json, os, re, shutil, sys, venv, zipfile
from importlib.metadata import distributions
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
import course, write
from conftest import ENV, run
from course import NBS, ROOT, read, source

COLAB = json.loads((ROOT/"tests/colab.json").read_text("utf-8"))
KEPT = {"torch", "numpy", "pillow", "matplotlib", "ipython", "ipywidgets", "transformers", "datasets", "fastcore", "fastdownload", "imageio", "imageio-ffmpeg"}
LESSONS = [p for p in course.pages() if course.is_lesson(p) and course.code(p)]


# The resolution

def metadata(name, version, requires): return f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n" + "".join(f"Requires-Dist: {r}\n" for r in requires)


def installed(site, name, version, requires):
    "A package that is there by name only."
    info = site/f"{name.replace('-', '_')}-{version}.dist-info"; info.mkdir()
    for file, text in dict(METADATA=metadata(name, version, requires), RECORD="", INSTALLER="pip\n").items(): (info/file).write_text(text)


def wheel(folder, name, version, requires=()):
    "A wheel that holds its metadata only."
    stem = f"{name.replace('-', '_')}-{version}"; info = f"{stem}.dist-info"
    with zipfile.ZipFile(folder/f"{stem}-py3-none-any.whl", "w") as z:
        for file, text in dict(METADATA=metadata(name, version, requires), WHEEL="Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n", RECORD="").items(): z.writestr(f"{info}/{file}", text)


@pytest.fixture(scope="session")
def index(tmp_path_factory):
    "An index: what this environment holds, which is as new as the tested set, and what of Colab's generation is newer than Colab's."
    to = tmp_path_factory.mktemp("index")
    for d in distributions():
        if (name := canonicalize_name(d.metadata["Name"])) != "sdcourse": wheel(to, name, d.version.split("+")[0], [r for r in d.requires or () if "extra" not in r])
    for name, rows in COLAB["newer"].items():
        for version, requires in rows.items(): wheel(to, name, version, requires)
    return to


def changes(index, tmp, requires, held=COLAB["pins"]):
    "{package of Colab: the version that `pip install` of something that requires this would put in its place}."
    venv.create(tmp/"env", with_pip=False); site = next((tmp/"env").glob("lib/python*/site-packages"))
    for name, (version, needs) in held.items(): installed(site, name, version, needs)
    (tmp/"course").mkdir(); wheel(tmp/"course", "course", "1", requires)
    said = run(sys.executable, "-m", "pip", "--python", tmp/"env/bin/python", "install", "--dry-run", "--quiet", "--no-index", "--find-links", index, "--find-links", tmp/"course", "--report", tmp/"report.json", "course", cwd=tmp,
               env={k: v for k, v in ENV.items() if not k.startswith("PIP_") and k != "PYTHONPATH"} | {"PIP_CONFIG_FILE": "/dev/null"})
    got = {canonicalize_name(r["metadata"]["name"]): r["metadata"]["version"] for r in json.loads((tmp/"report.json").read_text())["install"]}
    assert "course" in got, said
    return {n: v for n, v in got.items() if n in held}


def ours(*extras):
    "The course's requirements, and those of its extras."
    ini = course.ini()
    return sum((ini[k].split() for k in ("requirements", *(f"{e}_requirements" for e in extras))), [])


@pytest.mark.parametrize("more", [False, True], ids=["requirements", "with all that single lessons need"])
def test_colabs_packages_stay(index, tmp_path, more):
    "What the set-up cell installs changes at most two of the packages that Colab brings, and none that is loaded before it runs."
    got = changes(index, tmp_path, ours(*write.EXTRAS.values()) + [*write.BESIDE.values()] if more else ours())
    assert got.keys() <= {"diffusers", "huggingface-hub"} and not got.keys() & KEPT, f"Colab's packages would be replaced: {got}"
    assert "diffusers" in got # Colab's is older than our floor: a run that changes nothing has resolved nothing


@pytest.mark.parametrize("ask, breaks", [("ipywidgets>=8", "ipywidgets"), ("datasets>=5", "datasets"), ("torch>=2.12", "torch")])
def test_a_floor_too_high_is_caught(index, tmp_path, ask, breaks):
    "The same with one floor raised: what Colab brings would be replaced, and it is seen."
    assert breaks in changes(index, tmp_path, [*(r for r in ours("tune") if Requirement(r).name != Requirement(ask).name), ask])


def test_kaggles_fastcore_stays(index, tmp_path):
    "Kaggle holds fastcore below 2."
    assert "fastcore" not in changes(index, tmp_path, ours(), COLAB["pins"] | {"fastcore": ("1.12.0", [])})


# The set-up cell

def setup_of(p): return next(source(c) for c in read(p)["cells"] if c["id"] == "setup")


@pytest.mark.parametrize("nb", LESSONS, ids=lambda p: p.stem)
def test_lesson_opens_on_colab_and_kaggle(nb):
    "Badges and install line of one version, before any import; the extra that the lesson's imports need; the data that it reads."
    cells = read(nb)["cells"]; badge = source(next(c for c in cells if c["id"] == "badge"))
    assert cells[1]["id"] == "badge" and cells[2]["id"] == "setup" == course.code(nb)[0]["id"]
    here = f"{course.REPO.removeprefix('https://github.com/')}/blob/{write.ref()}/nbs/{nb.name}"
    assert f"(https://colab.research.google.com/github/{here})" in badge and f"(https://kaggle.com/kernels/welcome?src=https://github.com/{here})" in badge
    lines = setup_of(nb).splitlines(); pip = [l for l in lines if "pip install" in l]
    assert len(pip) == 1 and f"git+{course.REPO}@{write.ref()}" in pip[0] and lines.index(pip[0]) < next(k for k, l in enumerate(lines) if "sdcourse import" in l)
    main = "\n".join(source(c) for c in course.code(nb) if not re.match(r"\s*#\|\s*(gpu|net|slow)", source(c)))
    tuning = re.search(r"sdcourse\.tune|\b(peft|datasets)\b.*import|import (peft|datasets)|pyarrow", main)
    assert not tuning or "[t" in pip[0], f"the lesson's main path needs an extra: {tuning[0]}"
    for name in re.findall(r"\.\./data\b.*?([\w]+\.(?:parquet|json))", main): assert f'"{name}"' in lines[-1], f"the lesson reads data/{name}"
    assert not re.search(r"\.\./(?!data\b)\w", main), "outside the repository there is no folder above the lesson"


@pytest.mark.parametrize("nb", course.pages(), ids=lambda p: p.stem)
def test_marked_cells_are_guarded_where_all_are_run(nb):
    "Before a cell that wants a GPU, the network or patience, a cell has called `ready()`; and what a module does as a program, its notebook does not."
    ready = False
    for c in course.code(nb):
        assert ready or not re.match(r"\s*#\|\s*(gpu|slow|net)\b", source(c)), f"cell {c['id']} is run by Run All whatever the machine: call sdcourse.runtime.ready() before it"
        assert '__name__ == "__main__"' not in source(c) or '"__file__" in globals()' in source(c), f"cell {c['id']}: in a kernel __name__ is __main__, too"
        ready |= "ready(" in source(c)


def test_a_version_in_the_making_points_to_the_branch(monkeypatch):
    import sdcourse
    nb = NBS/"00_first.ipynb"; assert f"@v{sdcourse.__version__}" in setup_of(nb) or "dev" in sdcourse.__version__
    monkeypatch.setattr(sdcourse, "__version__", "9.9.dev0")
    assert f"/blob/{course.BRANCH}/nbs/" in source(write.badge(nb)) and f"@{course.BRANCH}\n" in source(write.setup(nb))
    monkeypatch.setattr(sdcourse, "__version__", "9.9")
    assert "/blob/v9.9/nbs/" in source(write.badge(nb)) and "@v9.9\n" in source(write.setup(nb))


SESSION = """
import importlib, io, os, sys
from contextlib import redirect_stdout
from IPython.core.interactiveshell import InteractiveShell
from unittest.mock import patch
ran = []; sys.path[:] = [p for p in sys.path if not os.path.exists(os.path.join(p, "sdcourse"))]; sys.meta_path[:] = [f for f in sys.meta_path if "editable" not in repr(f)] # the course is not there yet
ip = InteractiveShell.instance(); ip.kernel = object() # as in a notebook
ip.register_magic_function(lambda line: (ran.append(line), sys.path.append(os.environ["COURSE"]), importlib.invalidate_caches()), magic_name="pip") # what pip does, in short
def cell(text):
    with redirect_stdout(io.StringIO()) as said: r = ip.run_cell(text)
    r.raise_error(); return said.getvalue()
setup = open("setup.py.txt").read()
before = {*sys.modules}
first = cell(setup); heavy = {"torch", "diffusers", "numpy.testing", "matplotlib"} & ({*sys.modules} - before)
assert len(ran) == 1 and ran[0].startswith("install -q "), ran
assert not heavy, heavy
assert "No GPU, and none is needed" in first, first
assert os.path.exists("images/fox.png")
second = cell(setup); assert len(ran) == 1 and second == first # nothing is installed twice
with patch("torch.cuda.is_available", return_value=False):
    said = cell("#| gpu\\n1/0"); assert "T4 GPU" in said and "delete the line" in said, said
    assert "delete the line" in cell("#| slow\\n1/0")
with patch("torch.cuda.is_available", return_value=True): assert cell("#| gpu\\nprint(6 * 7)") == "42\\n"
with patch("sdcourse.runtime.find_spec", return_value=None): assert cell("print(1)\\nimport nbdev; nbdev." + "nbdev_" + "export()") == "1\\n" # there is no nbdev on Colab
print("fine")
"""


def test_the_setup_cell_as_colab_runs_it(tmp_path):
    """In a process without the course: the cell gets it, says what there is to draw on without loading torch, and does nothing the second time; marked cells say what is missing."""
    package = tmp_path/"site/sdcourse"; package.mkdir(parents=True)
    for p in (ROOT/"sdcourse").iterdir(): (shutil.copy if p.suffix == ".py" else os.symlink)(p, package/p.name)
    (package/"lessons").symlink_to(NBS) # as in a wheel
    here = tmp_path/"content"; here.mkdir(); (here/"setup.py.txt").write_text(setup_of(NBS/"00_first.ipynb"))
    env = {k: v for k, v in ENV.items() if k != "PYTHONPATH"} | {"COURSE": str(tmp_path/"site"), "COLAB_RELEASE_TAG": "simulated", "IPYTHONDIR": str(tmp_path/"ipython")}
    assert run(sys.executable, "-c", SESSION, cwd=here, env=env).splitlines()[-1] == "fine"
