"Every notebook runs from its first cell to its last, offline, in a process of its own."
import re, resource, time
import pytest
from conftest import CELL_BUDGET, COSTS, NOTEBOOK_BUDGET, run
from write import NBS


@pytest.mark.parametrize("nb", sorted(NBS.glob("*.ipynb")), ids=lambda p: p.stem)
def test_runs(nb, request, record_property):
    def cpu(): used = resource.getrusage(resource.RUSAGE_CHILDREN); return used.ru_utime + used.ru_stime
    start, cpu0 = time.perf_counter(), cpu()
    out = run("nbdev-test", nb, "--cell-timing-min", "0", timeout=600)
    cells = [float(s) for s in re.findall(rf"^{re.escape(nb.name)}:\S+: ([\d.]+)s$", out, re.M)]
    cost = dict(seconds=round(time.perf_counter() - start, 2), cpu=round(cpu() - cpu0, 2), slowest_cell=max(cells, default=0))
    request.config.stash.setdefault(COSTS, {})[nb.name] = cost
    for k, v in cost.items(): record_property(k, v)
    assert "Success." in out, out
    if request.config.getoption("budget"): assert cost["seconds"] <= NOTEBOOK_BUDGET and cost["slowest_cell"] <= CELL_BUDGET, cost
