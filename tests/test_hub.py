"Loading from a hub, its cache and its failures, against a hub on this machine."
import shutil
import pytest
import hub
from conftest import ENV, python
from sdcourse.models import POCKET

# what a process does with load(name), in one line of output
LOAD = """import sys, hashlib
from sdcourse import models, load, txt2img
if len(sys.argv) > 2: models.MODELS["sd14"]["ids"] = sys.argv[2:]
try: pipe = load(sys.argv[1])
except Exception as e: print("\\nERROR", type(e).__name__, str(e).replace("\\n", " | "))
else: print("\\nDREW", hashlib.sha256(txt2img(pipe, "a red apple", seed=1, num_inference_steps=1, guidance_scale=2)[0].tobytes()).hexdigest())"""


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    root = tmp_path_factory.mktemp("hub")
    no_manifest = shutil.ignore_patterns("manifest.json", "*.md")
    shutil.copytree(POCKET, root/"someone"/"whole", ignore=no_manifest)
    shutil.copytree(POCKET, root/"someone"/"pickled", ignore=no_manifest)
    unet = root/"someone"/"pickled"/"unet"; (unet/"diffusion_pytorch_model.safetensors").rename(unet/"diffusion_pytorch_model.bin")
    with hub.serve(root) as (url, seen): yield url, seen


@pytest.fixture
def ask(served, tmp_path):
    url, seen = served
    def ask(*args, offline=False):
        env = {k: v for k, v in ENV.items() if k not in ("HF_HUB_OFFLINE", "HF_TOKEN")}
        env |= dict(HF_ENDPOINT=url, HF_HOME=str(tmp_path/"home"), HF_TOKEN="hf_never_shown", HF_HUB_DISABLE_XET="1") | ({"HF_HUB_OFFLINE": "1"} if offline else {})
        seen.clear(); out = python(LOAD, *args, env=env)
        assert "hf_never_shown" not in out
        return [l for l in out.splitlines() if l.startswith(("DREW", "ERROR"))][-1], list(seen)
    return ask


def test_id_download_cache_and_offline(ask):
    "A hub id downloads once, draws what the shipped folder draws, and loads again without a network."
    got, seen = ask("someone/whole")
    here, _ = ask("pocket", offline=True)
    assert got == here and got.startswith("DREW")
    assert any("unet/diffusion_pytorch_model.safetensors" in path for verb, path in seen if verb == "GET")
    again, seen = ask("someone/whole", offline=True)
    assert again == got and not seen


def test_a_mirror_takes_over(ask):
    "The first id is gone from the hub: the second is taken."
    got, seen = ask("sd14", "gone/away", "someone/whole")
    assert got.startswith("DREW") and any("gone/away" in path for _, path in seen)


def test_failures_say_what_to_do(ask):
    got, _ = ask("gone/away")
    assert got.startswith("ERROR OSError could not load 'gone/away' from the hub") and "gone/away:" in got and "load('pocket') needs no network" in got, got
    got, seen = ask("someone/whole", offline=True)
    assert got.startswith("ERROR OSError") and "HF_HUB_OFFLINE" in got and not seen, got


def test_pickles_are_never_read(ask):
    got, seen = ask("someone/pickled")
    assert got.startswith("ERROR OSError") and "safetensors" in got, got
    assert not [path for verb, path in seen if verb == "GET" and path.endswith(".bin")]
