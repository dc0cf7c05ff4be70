"""Wrong and odd inputs: every entry of tests/faults/ is a clear error or the right result, and junk in any keyword is refused by name or drawn.

The corpus is data, its runner and its rules are bench/faults.py; `python -m bench.faults` runs it beside plain diffusers and writes bench/faults.md."""
import math, re
import numpy as np, pytest, torch
from hypothesis import HealthCheck, given, settings, strategies as st
from bench import faults
from sdcourse.core import strict
from sdcourse.generate import txt2img
from sdcourse.inpainting import inpaint
from sdcourse.redraw import img2img


@pytest.fixture(scope="module")
def run(): return faults.Runner()


AREAS = sorted(f.stem for f in faults.CORPUS.glob("*.toml"))


@pytest.mark.parametrize("area", AREAS)
def test_every_input_is_a_clear_error_or_right(run, area):
    wrong = [f"{e['name']}: {o.kind} {o.said[:300]} <- {lost}" for e in faults.corpus([area]) if (lost := run.missing(e, o := run(e)))]
    assert not wrong, "\n".join(wrong)


def test_the_corpus_is_large_and_its_report_fresh():
    entries = faults.corpus(); names = [(e["area"], e["name"]) for e in entries]
    assert len(entries) >= 180 and len({*names}) == len(names)
    assert sum(bool(e.get("plain", e.get("with") is not None)) for e in entries) >= 100
    said = (faults.HERE/"faults.md").read_text(encoding="utf-8")
    assert f"| sdcourse, all | {len(entries)} |" in said, "the corpus has changed: python -m bench.faults"
    for area in AREAS: assert f"| {area} | {sum(e['area'] == area for e in entries)} |" in said, f"{area} has changed: python -m bench.faults"
    assert re.search(r"\| sdcourse, all \|.*\| 0 \(0%\) \| 0 \(0%\) \|$", said, re.M) # obscure, silent


@pytest.mark.parametrize("call, entry, kind", [
    ('1 / 0', dict(error=["n", "0"]), "obscure"),                                                             # the depth speaks
    ('(_ for _ in ()).throw(ValueError("no"))', dict(error=["steps", "0"]), "obscure"),                       # names nothing
    ('(_ for _ in ()).throw(KeyError("steps must be at least 1, got 0"))', dict(error=["steps", "0"]), "obscure"), # no sensible type
    ('(_ for _ in ()).throw(ValueError("steps must be at least 1, got 0"))', dict(error=["steps", "0"]), "clear"),
    ('(clean(), (_ for _ in ()).throw(ValueError("steps must be at least 1, got 0")))', dict(error=["steps", "0"]), "obscure"), # after the work
    ('clean()', dict(error=["steps", "0"]), "silent"),
    ('clean()', dict(right="other(r, clean())"), "silent"),                                                   # ignored
    ('[Image.new("RGB", (64, 64))]', dict(right="alive(r)"), "silent"),                                       # black
    ('(__import__("warnings").warn("steps of 0 were taken for 1"), clean())[1]', dict(error=["steps", "0"]), "warned"),
    ('clean()', dict(right="same(r, clean())"), "right"),
])
def test_the_classes_can_tell(call, entry, kind):
    "A fresh runner: what is kept of an earlier call costs no UNet."
    assert faults.Runner()(dict(entry, call=call, name="", area="", mode="txt2img")).kind == kind


# Junk in any keyword

junk = st.one_of(st.none(), st.booleans(), st.integers(-3, 5), st.integers(), st.floats(), st.text(max_size=8), st.binary(max_size=4), st.lists(st.one_of(st.integers(), st.floats(), st.text(max_size=3), st.none()), max_size=3), st.complex_numbers(),
                 st.sampled_from([{}, set(), object(), int, len, np.float32(.5), np.int64(2), np.arange(2), torch.tensor(2.), torch.zeros(1, 4, 16, 16), torch.zeros(1, 77, 128), faults.fox, faults.hole, (0, 1), (.2, math.nan)]))
KEYS = ["prompt", "negative_prompt", "n", "seed", "num_inference_steps", "guidance_scale", "guidance_rescale", "guidance_interval", "scheduler", "eta", "batch_size", "progress", "prompt_embeds", "negative_prompt_embeds", "latents", "after"]
MORE = dict(txt2img=["height", "width"], img2img=["image", "strength"], inpaint=["image", "mask", "strength", "feather", "composite"])


@pytest.mark.parametrize("mode, examples", [(txt2img, 120), (img2img, 60), (inpaint, 60)], ids=lambda v: getattr(v, "__name__", ""))
@pytest.mark.filterwarnings("ignore")
def test_junk_is_refused_by_name_or_drawn(run, mode, examples):
    name = mode.__name__
    @settings(max_examples=examples, deadline=None, derandomize=True, database=None, suppress_health_check=[*HealthCheck])
    @given(key=st.sampled_from(KEYS + MORE[name]), value=junk)
    def check(key, value):
        run.calls = 0
        if key in ("n", "num_inference_steps", "height", "width") and isinstance(value, int) and value > 100 and not (key == "n" and value > 10_000) and not (key == "num_inference_steps" and value > 1000) and value <= 8192: return # right, and dear
        try: imgs = run.draw("ours", name, faults.BASE[name] | dict(num_inference_steps=1, strength=1.) | {key: value} if name != "txt2img" else faults.FEW | dict(num_inference_steps=1) | {key: value})
        except (TypeError, ValueError) as e:
            assert run.names(dict(), str(e), {key: value}), f"{key}={value!r}: {e}"
            assert run.calls == 0 or key == "after", f"{key}={value!r} was refused after {run.calls} calls of the UNet: {e}"
            return
        assert imgs and all(im.size == (64, 64) or key in ("height", "width") for im in imgs), f"{key}={value!r}: {imgs}"
    check()


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(junk)
def test_the_gate_lets_through_what_the_signature_says(value):
    "A number goes in as Python's own, finite; all else is refused by name."
    @strict
    def f(*, whole: int = 1, number: float = 1., truth: bool = False, text: str = "", some: int | None = None): return whole, number, truth, text, some
    for k, place, kinds in (("whole", 0, int), ("number", 1, (int, float)), ("truth", 2, bool), ("text", 3, str), ("some", 4, (int, type(None)))):
        try: got = f(**{k: value})[place]
        except (TypeError, ValueError) as e: assert str(e).startswith(f"{k} must be "), e
        else:
            assert isinstance(got, kinds) and (k == "truth" or not isinstance(got, bool)), (k, value, got)
            assert not isinstance(got, float) or math.isfinite(got)
