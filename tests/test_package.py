"The package as others get it: built, unpacked elsewhere, and used there without the repository; and the README's commands."
import re, sys, tarfile, zipfile
from email.parser import Parser
import pytest
import write
from conftest import ENV, copy_tree, python, run, tracked
from write import ROOT


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    "(sdist, wheel): the wheel is built from the sdist, so the sdist is known to be whole."
    top = tmp_path_factory.mktemp("build")
    run("pyproject-build", "--no-isolation", "-o", top/"dist", copy_tree(top/"tree"), timeout=300)
    return next((top/"dist").glob("*.tar.gz")), next((top/"dist").glob("*.whl"))


@pytest.fixture(scope="session")
def elsewhere(built, tmp_path_factory):
    "The environment of a process that finds the wheel's package and not the repository's."
    to = tmp_path_factory.mktemp("elsewhere")
    with zipfile.ZipFile(built[1]) as z: z.extractall(to/"site")
    return dict(cwd=to, env={**ENV, "PYTHONPATH": str(to/"site")})


def test_wheel_holds_what_is_needed(built):
    with zipfile.ZipFile(built[1]) as z: got = {n for n in z.namelist() if ".dist-info/" not in n}
    want = {p for p in tracked() if p.startswith("sdcourse/")}
    want |= {f"sdcourse/lessons/{p.removeprefix('nbs/')}" for p in tracked() if re.fullmatch(r"nbs/([\w-]+\.ipynb|images/.+)", p)}
    assert got == want, f"missing {sorted(want - got)}, too much {sorted(got - want)}"
    assert any(n.endswith(".safetensors") for n in got)
    assert not [n for n in got if n.endswith((".parquet", ".bin", ".ckpt", ".pt", ".pkl")) and n != "sdcourse/creatures/creatures.parquet"]
    assert built[1].stat().st_size < 45e6


def test_sdist_holds_what_the_build_reads(built):
    with tarfile.open(built[0]) as t: got = {n.split("/", 1)[1] for n in t.getnames() if "/" in n}
    assert got >= {"settings.ini", "setup.py", "pyproject.toml", "LICENSE", "README.md"}
    assert not [n for n in got if n.startswith("data/")]


def test_metadata(built):
    with zipfile.ZipFile(built[1]) as z: meta = Parser().parsestr(z.read(next(n for n in z.namelist() if n.endswith(".dist-info/METADATA"))).decode())
    ini, project = write.ini(), write.PYPROJECT["project"]
    assert (meta["Name"], meta["Summary"], meta["Author"], meta["Requires-Python"]) == (project["name"], project["description"], ini["author"], f">={ini['min_python']}")
    assert meta["Version"] == re.search(r'__version__ = "(.+)"', (ROOT/"sdcourse/__init__.py").read_text())[1]
    assert ini["license"] in (meta["License"], meta["License-Expression"]) and meta["License-File"] == "LICENSE"
    assert {*meta.get_all("Project-URL")} == {f"{k}, {v}" for k, v in project["urls"].items()}
    assert [r for r in meta.get_all("Requires-Dist") if "extra ==" not in r] == ini["requirements"].split()
    assert {*meta.get_all("Provides-Extra")} == {k.removesuffix("_requirements") for k in ini if k.endswith("_requirements")}
    assert meta.get_payload().strip() == (ROOT/"README.md").read_text("utf-8").strip()


def test_entry_points_resolve(elsewhere):
    code = "import sys, sdcourse; from importlib.metadata import distribution; eps = distribution('sdcourse').entry_points; assert sdcourse.__file__.startswith(sys.argv[1]), sdcourse.__file__; print([e.load() and e.group for e in eps])"
    assert "console_scripts" in (out := python(code, elsewhere["cwd"], **elsewhere)) and "nbdev" in out


def test_draws_the_same_picture_elsewhere(elsewhere, tmp_path):
    "The wheel's package, without the repository, from another folder, draws the same bytes as the repository's."
    code = "import hashlib, sdcourse; print('pixels', hashlib.sha256(sdcourse.txt2img(sdcourse.load('pocket'), 'a red apple', seed=1, num_inference_steps=4)[0].tobytes()).hexdigest())"
    pixels = [re.search(r"pixels (\w+)", python(code, **where))[1] for where in (elsewhere, dict(cwd=tmp_path))]
    assert pixels[0] == pixels[1]


def test_the_readme_says_what_ci_runs():
    readme, ci = (ROOT/"README.md").read_text("utf-8"), (ROOT/".ci/run").read_text("utf-8")
    assert write.TEST in readme.splitlines() and write.TEST in ci.splitlines(), ".ci/run must run exactly the README's test command"
    assert write.DRAW in readme.splitlines()
    run("bash", "-n", ROOT/".ci/run")
    assert (ROOT/".ci/run").stat().st_mode & 0o100


def test_the_readmes_python_runs():
    for block in re.findall(r"(?ms)^```python\n(.*?)^```", (ROOT/"README.md").read_text("utf-8")): python(block)


def test_the_readmes_command_draws(elsewhere):
    "The last part of the README's first command, with a home and a folder that hold nothing."
    import shlex; args = shlex.split(write.DRAW.split("&&")[-1])[1:]
    work = elsewhere["cwd"]/"work"; work.mkdir()
    run(sys.executable, "-c", f"import sys; sys.argv = ['sdcourse', *{args!r}]; from sdcourse.cli import main; main()", cwd=work, env={**elsewhere["env"], "HOME": str(work)})
    assert list(work.rglob("*.png")), "no picture was written"
