"""The package as others get it: built, unpacked elsewhere, and used there without the repository; the README's commands; the cards of what travels with it, how to cite it, and what an upgrade does to a learner's folder.

Seen red: by a wheel without a card, a README with a link of the repository, another number in a card, a card that says nothing of bias, another version in CITATION.cff, an older version without a day, `copy_lessons` that overwrites."""
import json, re, sys, tarfile, zipfile
from email.parser import Parser
import pytest
import course, write
from conftest import ENV, copy_tree, python, run, tracked
from course import ROOT


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
    assert got >= {"settings.ini", "setup.py", "pyproject.toml", "LICENSE", "README.md", "CHANGELOG.md", "CITATION.cff", "SECURITY.md"}
    assert not [n for n in got if n.startswith(("data/", "bench/", "pages/", ".github/", ".ci/"))]
    assert built[0].stat().st_size < 45e6


def test_metadata(built):
    with zipfile.ZipFile(built[1]) as z: meta = Parser().parsestr(z.read(next(n for n in z.namelist() if n.endswith(".dist-info/METADATA"))).decode())
    ini, project = course.ini(), course.PYPROJECT["project"]
    assert (meta["Name"], meta["Summary"], meta["Author"], meta["Requires-Python"]) == (project["name"], project["description"], ini["author"], f">={ini['min_python']}")
    assert meta["Version"] == re.search(r'__version__ = "(.+)"', (ROOT/"sdcourse/__init__.py").read_text())[1]
    assert ini["license"] in (meta["License"], meta["License-Expression"])
    assert {*meta.get_all("License-File")} == {"LICENSE", *(p for p in tracked() if re.fullmatch(r"sdcourse/\w+/LICENSE\w*\.md", p))}
    import yaml
    tested = yaml.safe_load((ROOT/".github/workflows/test.yaml").read_text())["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert {c.split(" :: ")[-1] for c in meta.get_all("Classifier") if re.search(r":: 3\.\d+$", c)} == {*tested}, "the classifiers name the Pythons that are tested"
    assert meta["Keywords"] and meta["Description-Content-Type"] == "text/markdown" and {*project["urls"]} == {"Repository", "Documentation", "Issues", "Changelog"}
    assert {*meta.get_all("Project-URL")} == {f"{k}, {v}" for k, v in project["urls"].items()}
    assert [r for r in meta.get_all("Requires-Dist") if "extra ==" not in r] == ini["requirements"].split()
    assert {*meta.get_all("Provides-Extra")} == {k.removesuffix("_requirements") for k in ini if k.endswith("_requirements")}
    shown, readme, own = meta.get_payload().strip(), (ROOT/"README.md").read_text("utf-8").strip(), rf"{re.escape(course.REPO)}/(blob|raw)/v{re.escape(meta['Version'])}/"
    assert re.sub(rf"\]\({own}", "](", shown) == readme, "the README, and nothing else"
    assert not (bad := [t for t in re.findall(r"\]\(([^)\s]+)", shown) if not t.startswith(("https://", "#"))]), f"a registry has no file {bad}"
    assert all((ROOT/m[2]).exists() for m in re.finditer(rf"\]\({own}([^)#\s]+)", shown))


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


# Cards

CARDS = ["pocket_sd", "pocket_clip", "pocket_judge", "loras"]
def card(name): return (ROOT/"sdcourse"/name/"MODEL_CARD.md").read_text("utf-8")
def weights(name): return sorted((ROOT/"sdcourse"/name).rglob("*.safetensors"))


def numbers(file):
    "How many numbers a file of weights holds."
    from math import prod
    from safetensors import safe_open
    with safe_open(file, "pt") as w: return sum(prod(w.get_slice(k).get_shape()) for k in w.keys())


def test_every_model_has_a_card():
    assert {f.parts[len(ROOT.parts) + 1] for f in (ROOT/"sdcourse").rglob("*.safetensors")} == {*CARDS}


@pytest.mark.parametrize("name", CARDS)
def test_cards_are_complete(name):
    "The fields of Hugging Face's model card, in our words; and its metadata can be read by their library."
    from huggingface_hub import ModelCard
    text = card(name); about = ModelCard(text).data
    assert about.pipeline_tag and {"education", "safetensors"} <= {*about.tags} and (about.license == "apache-2.0" or name == "loras")
    for what, says in {"intended use": r"(?i)\bmeant for\b", "out of scope": r"Not meant for|no other model fits", "limits": r"(?i)limits|cannot|always answers|no others", "bias": r"(?i)bias", "training data": r"(?i)learnt from", "procedure": r"(?i)\bsteps?\b", "compute": r"CPU core", "evaluation": r"\d ?%|in per cent", "licence": r"(?i)licence", "how to cite": r"CITATION\.cff"}.items():
        assert re.search(says, text), f"the card of {name} says nothing of: {what}"


def test_cards_say_what_the_files_hold():
    from sdcourse.measure import table
    text = card("pocket_sd")
    for file in ("obedience", "obedience-familiar"):
        said = json.loads((ROOT/"sdcourse/pocket_sd"/f"{file}.json").read_text())
        assert said["command"] in text and table(said["table"]).strip() in text, f"the card's numbers are not those of {file}.json"
    for part in ("text_encoder", "unet", "vae"): assert re.search(rf"\| `{part}` \|.*\| {sum(map(numbers, weights(f'pocket_sd/{part}'))) / 1e6:.2f} M \|", text), part
    assert ", ".join(json.loads((ROOT/"sdcourse/pocket_sd/subjects.json").read_text())) in text
    exam = json.loads((ROOT/"sdcourse/pocket_judge/judge.json").read_text()); text = card("pocket_judge")
    assert "| " + " | ".join(f"{v['right'] / v['trials']:.1%} ({v['top5'] / v['trials']:.1%})".replace("%", "") for v in exam["exam"].values()) + " |" in text
    assert f"{exam['steps']:,} steps in {exam['minutes']} minutes" in text and f"{numbers(weights('pocket_judge')[0]) / 1e6:.1f} million" in text
    assert f"subject ({len(exam['classes']['subject']):,})" in text and f"{numbers(weights('pocket_clip')[0]) / 1e6:.1f} million" in card("pocket_clip")
    for f in weights("loras"): assert re.search(rf"\| `{f.parent.name}` \|.*\| {f.stat().st_size / 1e6:.{2 if f.stat().st_size < 1e6 else 1}f} MB \|", card("loras")), f.parent.name


# Versions

def test_the_change_log():
    "Newest first, the version of the package on top; every version but the one in the making has its day."
    heads = re.findall(r"(?m)^## (.+)$", (ROOT/"CHANGELOG.md").read_text("utf-8"))
    got = [re.fullmatch(r"(\d+\.\d+\.\d+)(?: \((\d{4}-\d\d-\d\d)\))?", h) for h in heads]
    assert all(got), f"a heading is `## 1.2.3 (2027-01-31)`, or `## 1.2.3` before its release: {heads}"
    versions, days = [tuple(map(int, m[1].split("."))) for m in got], [m[2] for m in got]
    assert versions == sorted({*versions}, reverse=True) and all(days[1:]) and days[1:] == sorted(days[1:], reverse=True)
    import datetime
    for d in filter(None, days): datetime.date.fromisoformat(d)


def test_the_citation():
    "By the rules of the Citation File Format 1.2.0, of which only these keys are used."
    import datetime, yaml
    c = yaml.safe_load((ROOT/"CITATION.cff").read_text("utf-8"))
    assert {*c} - {"date-released"} == {"cff-version", "message", "type", "title", "abstract", "authors", "version", "license", "repository-code", "url", "keywords"}
    assert c["cff-version"] == "1.2.0" and c["type"] == "software" and c["authors"] == [{"name": course.ini()["author"]}] and c["license"] == course.ini()["license"]
    version, day = re.search(r"(?m)^## ([\d.]+)(?: \((.+)\))?$", (ROOT/"CHANGELOG.md").read_text("utf-8")).groups()
    ours = re.search(r'__version__ = "(.+)"', (ROOT/"sdcourse/__init__.py").read_text())[1]
    assert str(c["version"]) == ours and re.sub(r"\.dev\d+$", "", ours) == version and bool(day) == (".dev" not in ours), "a version in the making ends in .dev0 and has no day yet"
    assert c.get("date-released") == (day and datetime.date.fromisoformat(day))


def test_a_release_with_a_day_is_cited_with_it():
    import back
    r = back.release(course.PYPROJECT["project"], course.ini()) | dict(date="2027-01-31", version="1.2.3")
    assert "date-released: 2027-01-31\n" in back.citation(r) and "version: 1.2.3\n" in back.citation(r) and "year = {2027}" in back.cite(r)


def test_lab_after_an_upgrade(tmp_path, monkeypatch):
    "The lessons of another version: what was not touched becomes new, what was changed stays, what is no more stays too, and all of it is said."
    from click.testing import CliRunner
    import sdcourse, sdcourse.cli as cli
    old, new, mine = tmp_path/"old", tmp_path/"new", tmp_path/"course"
    def version(folder, v, **lessons):
        folder.mkdir()
        for k, text in lessons.items(): (folder/f"{k}.ipynb").write_text(json.dumps(dict(cells=[dict(cell_type="markdown", source=[text])])))
        monkeypatch.setattr(cli, "lessons_folder", lambda: folder); monkeypatch.setattr(sdcourse, "__version__", v)
    def lab(): r = CliRunner().invoke(cli.main, ["lab", str(mine), "--no-open"]); assert r.exit_code == 0, r.output; return r.output
    version(old, "0.1.0", a="one", b="one", c="one", d="one")
    assert "(4 new)" in lab() and "new: " not in lab()
    (mine/"b.ipynb").write_text("my answers"); (mine/"c.ipynb").write_text("my answers, too"); (mine/"own.ipynb").write_text("my own")
    version(new, "0.2.0", a="two", b="two", c="one", e="two")
    said = lab()
    assert "of sdcourse 0.2.0" in said and "before, it held those of sdcourse 0.1.0" in said
    for line in ("updated: a.ipynb", "new: e.ipynb", "kept b.ipynb: you changed it, and this version has another one", "kept c.ipynb: you changed it", "left d.ipynb: this version has it no more"): assert line in said, said
    assert "two" in (mine/"a.ipynb").read_text() and [(mine/f"{k}.ipynb").read_text() for k in ("b", "c", "own")] == ["my answers", "my answers, too", "my own"] and (mine/"d.ipynb").is_file()
    assert "0.1.0" not in (again := lab()) and "updated" not in again and "left d.ipynb" in again, "said once what is new"


def test_no_badge_on_the_site():
    "The README may show badges; a page of the site asks nobody else for anything."
    readme = (ROOT/"README.md").read_text("utf-8"); shown = re.findall(r"!\[[^\]]*\]\((https://[^)]+)\)", readme)
    assert len(shown) == 3 and not any(u in (ROOT/"nbs/index.ipynb").read_text("utf-8") for u in shown)
    ours = [u for u in shown if u.startswith(course.REPO)]
    assert ours == [f"{course.REPO}/actions/workflows/test.yaml/badge.svg"] and (ROOT/".github/workflows/test.yaml").is_file(), "the badge of a workflow that there is"
    assert f"python-{course.ini()['min_python']}%2B" in readme and f"licence-{course.ini()['license'].replace('-', '--')}-" in readme
