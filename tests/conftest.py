"Shared by the tests: how a process of its own is run, a copy of the tree to try things on, and the cost table at the end."
import os, shutil, subprocess, sys, sysconfig
from pathlib import Path
import pytest

ROOT = Path(__file__).resolve().parent.parent

# no two thread pools fighting for the cores, no waiting for a model hub, no widget of ours in a window
ENV = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "MPLBACKEND": "Agg", "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
ENV.pop("IN_TEST", None) # nbdev's commands do nothing where it is set
SCRIPTS = sysconfig.get_path("scripts")
CELL_BUDGET, NOTEBOOK_BUDGET = 20, 60 # seconds
TRAINING = dict.fromkeys(("32_ddpm.ipynb", "37_together.ipynb", "42_text_to_creature.ipynb", "43_lora.ipynb", "44_inversion.ipynb", "45_dreambooth.ipynb"), (90, 120)) | {"42_text_to_creature.ipynb": (90, 150)} # lessons that train: their longest cell, the whole


def run(*cmd, cwd=ROOT, timeout=600, env=None):
    "Run a command; its output in one text. An exit code other than 0 is a failure that shows it."
    exe = shutil.which(cmd[0], path=SCRIPTS) or cmd[0]
    p = subprocess.run([exe, *map(str, cmd[1:])], cwd=cwd, env=env or ENV, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout, errors="replace")
    if p.returncode: pytest.fail(f"{' '.join(map(str, cmd))[:300]} ended with exit code {p.returncode}:\n{p.stdout[-6000:]}", pytrace=False)
    return p.stdout


def python(code, *args, cwd=ROOT, **kw): return run(sys.executable, "-c", code, *args, cwd=cwd, **kw)


def tracked():
    "The files of the repository, new ones included, ignored ones not."
    out = subprocess.run(["git", "ls-files", "-coz", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    return sorted(p for p in out if p and (ROOT/p).exists())


def copy_tree(to, keep=lambda p: True):
    "A copy of the tracked files that `keep`."
    for p in filter(keep, tracked()):
        (to/p).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT/p, to/p, follow_symlinks=False)
    return to


def pytest_addoption(parser): parser.addoption("--budget", action="store_true", help="fail where a notebook or a cell takes longer than its budget (for an idle machine)")


def pytest_collection_modifyitems(items):
    "The notebooks are asked for last: all other tests run beside them, on the other core."
    items.sort(key=lambda i: getattr(i, "originalname", "") == "test_runs")


def over_budget(name, cost):
    cell, whole = TRAINING.get(name, (CELL_BUDGET, NOTEBOOK_BUDGET))
    return cost["seconds"] > whole or cost["slowest_cell"] > cell


def machine():
    "What the notebooks ran on, and when."
    import datetime, platform
    from importlib.metadata import version
    try: processor = next(l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name"))
    except (OSError, StopIteration): processor = platform.processor() or platform.machine()
    return dict(date=datetime.date.today().isoformat(), processor=processor, cores=os.cpu_count(), load=round(os.getloadavg()[2], 1) if hasattr(os, "getloadavg") else None, python=platform.python_version(), **{p: version(p) for p in ("torch", "diffusers", "transformers")})


def pytest_terminal_summary(terminalreporter, config):
    costs = config.stash.get(COSTS, {})
    if not costs: return
    config.cache.set("notebooks/costs", dict(about=machine(), notebooks=costs))
    terminalreporter.section("what the notebooks cost")
    for name, c in sorted(costs.items(), key=lambda kv: -kv[1]["seconds"]):
        over = " (over budget)" if over_budget(name, c) else ""
        terminalreporter.line(f"{c['seconds']:6.1f} s  {name}, {c['cpu']:.1f} s of a core, slowest cell {c['slowest_cell']:.1f} s, at most {c['memory']} MB{over}")
    terminalreporter.line(f"{sum(c['seconds'] for c in costs.values()):6.1f} s  all {len(costs)}, {sum(c['cpu'] for c in costs.values()):.1f} s of a core, {sum(c['imports'] for c in costs.values()):.1f} of them for imports that were made once for all; kept in .pytest_cache/v/notebooks/costs")


@pytest.fixture(scope="session", autouse=True)
def notebooks_begin(request):
    "Those that were asked for begin to run with the first test, whichever it is."
    asked = [i for i in request.session.items if getattr(i, "originalname", "") == "test_runs"]
    if not asked: yield; return
    running = request.config.stash[RUNNING] = asked[0].module.Running([i.callspec.params["nb"] for i in asked])
    yield
    running.stop()


COSTS, RUNNING = pytest.StashKey[dict](), pytest.StashKey()
