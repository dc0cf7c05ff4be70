"""What the course promises about time: the page of what changed since 2022 is true of the installed libraries, row by row; the page of models says what the table of models says; the floors and the weekly run are what they claim.

Seen red: by a row whose old form works, one whose message is another, one whose new form warns, and one without its proof."""
import ast, builtins, copy, json, logging, re, subprocess, sys, tomllib, types, warnings
from contextlib import contextmanager
from pathlib import Path
import numpy as np, pytest, torch
from PIL import Image
from sdcourse.models import POCKET
import back, course
from course import NBS, ROOT, read

DATA = tomllib.loads((ROOT/"pages/then_and_now.toml").read_text("utf-8"))
ROWS = [pytest.param(r, id=f"{t['id']}-{r['what'].replace(' ', '_').replace(',', '')}") for t in DATA["theme"] for r in t["row"]]
LIBRARIES = ("diffusers", "transformers", "accelerate", "huggingface_hub", "peft")


def seeded(k=1): return torch.Generator().manual_seed(k)
def array(img): return np.asarray(img.convert("RGB").resize((64, 64))).astype(float)
def distance(a, b): return float(np.abs(array(a) - array(b)).mean())
def same(a, b): return a.size == b.size and np.abs(array(a) - array(b)).max() <= 1


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    "What a row may use."
    import diffusers, transformers
    from sdcourse.files import load_model # noqa: F401  (the package is in its place before the libraries are looked at)
    names = {n: getattr(diffusers, n) for n in ("StableDiffusionPipeline", "StableDiffusionImg2ImgPipeline", "DDIMScheduler", "DDPMScheduler", "EulerDiscreteScheduler", "LMSDiscreteScheduler")}
    names |= {n: getattr(transformers, n) for n in ("CLIPTextModel", "CLIPTokenizer")}
    from accelerate import Accelerator
    pipe = load(); config = dict(pipe.scheduler.config); unet, vae = pipe.unet, pipe.vae
    halved = tmp_path_factory.mktemp("halved")/"model"; load().to(torch.float16).save_pretrained(halved, variant="fp16"); pipe.save_pretrained(halved) # the large files and the small ones side by side
    prompt, few = "a red fox in the snow, 3d render style", dict(num_inference_steps=2)
    text, empty = pipe.encode_prompt(prompt, "cpu", 1, True); ids = pipe.tokenizer(prompt, padding="max_length", return_tensors="pt").input_ids
    picture = Image.open(ROOT/"nbs/images/fox.png").convert("RGB").resize((64, 64))
    pixels = torch.tensor(array(picture)).float().permute(2, 0, 1)[None] / 127.5 - 1
    noise = torch.randn(1, 4, 16, 16, generator=seeded(7))
    def picture_of_pixels(x): return Image.fromarray(((x[0].permute(1, 2, 0) / 2 + .5).clamp(0, 1) * 255).round().byte().numpy())
    return dict(names, Accelerator=Accelerator, torch=torch, model=POCKET, halved=halved, lora=str(POCKET.parent/"loras"/"kittens"), pipe_=pipe, config=config, unet=unet, vae=vae, prompt=prompt, text=text, empty=empty, ids=ids, picture=picture, pixels=pixels, noise=noise,
                latents=vae.encode(pixels).latent_dist.mean * vae.config.scaling_factor, eps=unet(noise, 500, text).sample, one=pipe(prompt, **few, generator=seeded()).images[0], few=few, seeded=seeded, same=same, distance=distance,
                picture_of_pixels=picture_of_pixels, picture_of=lambda x: picture_of_pixels(vae.decode(x / vae.config.scaling_factor).sample))


def load():
    from diffusers import StableDiffusionPipeline
    pipe = StableDiffusionPipeline.from_pretrained(POCKET); pipe.set_progress_bar_config(disable=True)
    for part in (pipe.unet, pipe.vae, pipe.text_encoder): part.requires_grad_(False)
    return pipe


@contextmanager
def without(names):
    "As if these packages were not installed."
    import diffusers.utils.import_utils as iu
    was, real = {n: getattr(iu, f"_{n}_available", None) for n in names}, builtins.__import__
    def refuse(name, *args, **kw):
        if name.split(".")[0] in names: raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *args, **kw)
    for n in names: setattr(iu, f"_{n}_available", False)
    builtins.__import__ = refuse
    try: yield
    finally:
        builtins.__import__ = real
        for n, v in was.items(): setattr(iu, f"_{n}_available", v)


def run(code, names, missing=()):
    "(variables, error or None, what was warned, what was logged) of a row's side."
    logged = []; handler = logging.Handler(); handler.emit = lambda r: logged.append(r.getMessage())
    loggers = [logging.getLogger(n) for n in LIBRARIES]; levels = [l.level for l in loggers]; names = dict(names); error = None
    for l in loggers: l.addHandler(handler); l.setLevel(logging.WARNING) # whatever another test has asked for
    try:
        with warnings.catch_warnings(record=True) as warned, without(missing), torch.no_grad():
            warnings.simplefilter("always")
            try: exec(compile(code.strip(), "row", "exec"), names)
            except Exception as e: error = f"{type(e).__name__}: {e}"
    finally:
        for l, level in zip(loggers, levels): l.removeHandler(handler); l.setLevel(level)
    return types.SimpleNamespace(**{k: v for k, v in names.items() if k.isidentifier()}), error, [str(w.message) for w in warned if issubclass(w.category, (FutureWarning, UserWarning))], logged


@pytest.mark.parametrize("row", ROWS)
def test_then_and_now(row, start):
    "The old code does today what the page says, and the new code does what the old one was for."
    from diffusers import StableDiffusionImg2ImgPipeline, StableDiffusionPipeline
    def names():
        if row.get("fresh"): pipe = load()
        else:
            parts = dict(start["pipe_"].components, scheduler=copy.deepcopy(start["pipe_"].scheduler))
            pipe = StableDiffusionPipeline(**parts, requires_safety_checker=False); pipe.set_progress_bar_config(disable=True)
        if row.get("lora"): pipe.load_lora_weights(start["lora"], adapter_name="kittens")
        img2img = StableDiffusionImg2ImgPipeline(**pipe.components, requires_safety_checker=False); img2img.set_progress_bar_config(disable=True)
        return dict(start, pipe=pipe, img2img=img2img, tokenizer=pipe.tokenizer, text_encoder=pipe.text_encoder, few=dict(start["few"], generator=seeded()))
    today, says, missing = row["today"], row.get("says", ""), row.get("without", ())
    old, error, warned, logged = run(row["old"], names(), missing)
    if today == "error": assert error and says and says in error, f"it should end with {says!r}, and ended with {error}"
    else:
        assert not error, error
        if today == "warns": assert says and any(says in w for w in warned), f"it should warn {says!r}, and said {warned}"
        elif today == "noted": assert says and any(says in l for l in logged) and not warned, f"it should log {says!r}, and said {warned + logged}"
        else: assert not warned and not logged, f"it should say nothing, and said {warned + logged}"
    new, error, warned, logged = run(row["new"], names(), missing)
    assert not error, f"the new form: {error}"
    assert not warned and not (row.get("quiet", True) and logged), f"the new form: {warned + logged}"
    assert "assert" in row["proof"], "a row proves what it says"
    proof, error, *_ = run(row["proof"], names() | dict(old=old, new=new))
    assert not error, f"{row['proof']}: {error}"


# The page, and the other pages made of tables

def test_every_row_is_whole():
    for t in DATA["theme"]:
        for r in t["row"]:
            assert {"what", "old", "new", "today", "proof", "why"} <= {*r} <= {"what", "old", "new", "today", "says", "proof", "why", "fresh", "lora", "quiet", "without"} and r["today"] in back.TODAY, r["what"]
            assert ("says" in r) == (r["today"] in ("error", "warns", "noted")), r["what"]
            for side in ("old", "new", "proof"): ast.parse(r[side].strip())
    names = [r["what"] for t in DATA["theme"] for r in t["row"]]
    assert len({back.anchor(n) for n in names}) == len(names) >= 40 and not any(n[0].isdigit() for n in names), "each has a place of its own on the page"


def test_every_id_is_on_the_page_of_models():
    from sdcourse.models import DEPTH_MODELS, GONE, LORAS, MODELS, OWN_LORAS, PICTURE_SETS
    text = "".join("".join(c["source"]) for c in read(NBS/"97_model_list.ipynb")["cells"])
    for name, row in {**MODELS, **LORAS, **DEPTH_MODELS, **PICTURE_SETS}.items():
        line = next(l for l in text.splitlines() if l.startswith(f"| `{name}` |"))
        assert row["licence"] in line and (name == "pocket" or all(f"`{i}`" in line for i in row["ids"])), line
    assert all(f"| `{k}` |" in text and row["when"] in text for k, row in GONE.items()) and all(f"| `{k}` |" in text for k in OWN_LORAS)


def test_what_is_gone_has_a_place_to_go():
    from fnmatch import fnmatch
    from sdcourse.models import GONE, MODELS, PICTURE_SETS
    known = {**MODELS, **PICTURE_SETS}
    for k, row in GONE.items():
        assert row["use"] and all(u in known for u in row["use"]) and re.search(r"20\d\d", row["when"])
    alive = [i for row in known.values() for i in row["ids"]]
    assert not [i for i in alive if any(fnmatch(i, k) for k in GONE)], "an id of the tables is said to be gone"


def test_costs_are_those_that_were_measured():
    "A page made of a measurement shows each of its numbers, and says of a lesson without one that there is none."
    res = dict(each={p.name: dict(seconds=70.4, cpu=50.6 + k, slowest_cell=9.4, training=0 if k else 31.2, memory=612 + k) for k, p in enumerate(course.pages()) if course.code(p)}, about=dict(date="2027-01-31", processor="a processor", cores=2, load=.5, python="3.11", torch="1", diffusers="2", transformers="3"))
    first = next(p for p in course.pages() if course.code(p)); last = [p for p in course.pages() if course.code(p)][-1]
    text = "\n".join(t for _, t in back.costs(res))
    assert f"{course.link(first)} | 51 | 70 | 9 | 31 | 0.61 |" in text and "2027-01-31" in text and "not measured yet" not in text
    lessons, _, beside = text.partition("## Beside the lessons"); assert beside and not [p.name for p in course.pages() if course.code(p) and (f"({p.name})" in (lessons if course.part(p) > 7 else beside) or f"({p.name})" not in text)], "the workshop is no lesson"
    del res["each"][last.name]
    assert f"{course.link(last)} | not measured yet" in "\n".join(t for _, t in back.costs(res))
    assert "Nothing is measured yet" in back.costs({})[0][1]


# Floors, and the weekly run

def test_plain_runs_what_the_tests_run(tmp_path):
    ".ci/plain.py, for the oldest packages: it leaves out what is marked, says what breaks, and by its exit code that something does."
    def nb(name, *cells): (tmp_path/f"{name}.ipynb").write_text(json.dumps(dict(cells=[dict(cell_type="code", source=[c]) for c in cells]))); return tmp_path/f"{name}.ipynb"
    good = nb("good", "x = 1", "#| gpu\nx = 2", "#| eval: false\nx = 3", "import nbdev; nbdev.nbdev_export()", "%precision 3\nassert x == 1; open('here', 'w').close()"); bad = nb("bad", "assert 1 == 2, 'numbers'")
    p = subprocess.run([sys.executable, ROOT/".ci/plain.py", good, bad], capture_output=True, text=True, cwd=ROOT)
    assert p.returncode == 1 and re.search(r"(?m)^ok     good.ipynb", p.stdout) and re.search(r"(?m)^FAILED bad.ipynb", p.stdout) and "numbers" in p.stdout, p.stdout + p.stderr
    assert (tmp_path/"here").is_file(), "a notebook runs in its own folder, where its pictures are"


def test_the_weekly_run():
    "Both ends of the packages, each told in its own issue; and what it calls is there."
    import yaml
    job, = yaml.safe_load((ROOT/".github/workflows/weekly.yaml").read_text("utf-8"))["jobs"].values()
    install, tell = (next(s for s in job["steps"] if "run" in s and word in s["name"]) for word in ("Install", "Tell"))
    rows = {r["packages"]: r["python"] for r in job["strategy"]["matrix"]["include"]}
    assert {*rows} == {"newest", "oldest"} and rows["oldest"] == course.ini()["min_python"]
    assert install["continue-on-error"] and install["timeout-minutes"] < job["timeout-minutes"], "a run whose time is up is told, too"
    for f in re.findall(r"(?:tests|\.ci)/\w+\.py", install["run"]): assert (ROOT/f).is_file(), f
    assert "--resolution lowest-direct" in install["run"] and "--upgrade-strategy eager" in install["run"]
    for step in (install, tell): assert subprocess.run(["bash", "-n"], input=re.sub(r"\$\{\{.*?\}\}", "x", step["run"]), text=True, capture_output=True).returncode == 0
    said = "FAILED tests/test_notebooks.py::test_runs[15_inpaint] - Failed: x\nFAILED 10_prompts.ipynb 19 s\nok     11_sweeps.ipynb 3 s\n"
    pipe = re.search(r"(grep -oE .*? \| sort -u) \|\|", tell["run"])[1].replace("out.txt", "-")
    assert subprocess.run(["bash", "-c", pipe], input=said, text=True, capture_output=True).stdout == "- 10_prompts.ipynb\n- tests/test_notebooks.py::test_runs[15_inpaint]\n"
