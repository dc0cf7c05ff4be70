"The books of the lessons: every solution is right, every blank and every usual mistake is not, questions have one right answer, words stand where they say."
import re
from collections import Counter
from importlib import import_module
import pytest
from conftest import python
from course import NBS, books, read, source

BOOKS = books()
LESSONS = [p.stem for p in sorted(NBS.glob("[1-4]*.ipynb"))]
EXERCISES = [e for b in BOOKS.values() for e in b.exercises]
QUESTIONS = [(b.lesson, q) for b in BOOKS.values() for q in b.questions]
TERMS = [t for b in BOOKS.values() for t in b.terms]


@pytest.fixture(scope="module", autouse=True)
def copies():
    "A model's files are read once, and every run gets a copy of its own: a third of the time, and what one exercise does to its model no other sees."
    import sdcourse.models as m
    from copy import deepcopy
    from functools import lru_cache
    was = m._from_pretrained; once = lru_cache(was)
    m._from_pretrained = lambda *a, **kw: deepcopy(once(*a, **kw))
    yield
    m._from_pretrained = was


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: f"{e.lesson}-{e.name}")
def test_exercise(exercise):
    "The solution passes; the blank and each listed mistake fail, each with its own hint; the check has the name that the lesson's cell calls."
    exercise.prove()
    assert getattr(import_module(f"sdcourse.exercises.{BOOKS[exercise.lesson].module}"), f"check_{exercise.name}") is exercise
    assert all(re.search(r"[a-z]", h) and len(h) > 20 for h in exercise.mistakes.values()), "a hint says what was done and what to do"


@pytest.mark.parametrize("lesson", LESSONS)
def test_every_lesson_has_a_book(lesson):
    b = BOOKS[lesson]
    assert len(b.exercises) >= 3 and len(b.questions) >= 3 and b.terms, (len(b.exercises), len(b.questions), len(b.terms))
    assert len({e.name for e in b.exercises}) == len(b.exercises)
    assert (NBS/"exercises"/f"{lesson}.ipynb").exists(), "its notebook has the lesson's name"


@pytest.mark.parametrize("lesson", [*BOOKS])
def test_no_exercise_gives_another_away(lesson):
    "What is to be found stands neither in a task of the lesson nor in a blank."
    def plain(x): return re.sub(r"\s+", "", x)
    for e in BOOKS[lesson].exercises:
        for hole in e.holes:
            if len(plain(hole)) > 12: assert not (by := [o.name for o in BOOKS[lesson].exercises if plain(hole) in plain(o.blank + o.text)]), f"{hole!r} of {e.name} stands in {by}"


def test_books_belong_to_lessons(): assert not {*BOOKS} - {p.stem for p in NBS.glob("*.ipynb")}


@pytest.mark.parametrize("lesson,q", QUESTIONS, ids=[f"{l}-{i}" for i, (l, _) in enumerate(QUESTIONS)])
def test_question(lesson, q):
    assert q.text.endswith("?") and len(q.wrong) >= 2 and q.right not in q.wrong
    assert all(why.rstrip().endswith((".", "!")) for why in (q.why, *q.wrong.values())), "each answer says why, in sentences"
    assert not any("$" in x for x in (q.right, q.why, *q.wrong, *q.wrong.values())), "formulas do not show inside a fold's summary: write g = 1"


def test_the_right_answer_is_not_given_away():
    at = Counter([ok for _, ok, _ in q.options()].index(True) for _, q in QUESTIONS)
    assert max(at.values()) < .6 * len(QUESTIONS), f"the right answer stands at {at}"
    longest = sum(len(q.right) > 1.2 * max(map(len, q.wrong)) for _, q in QUESTIONS)
    assert longest < .4 * len(QUESTIONS), f"the right answer is the longest by far in {longest} of {len(QUESTIONS)} questions"


# Words and symbols

def own(p): return [c for c in read(p)["cells"] if not re.match(r"(recall|exercises?|words)\b", c["id"])]
def prose(p): return "\n".join(source(c) for c in own(p) if c["cell_type"] == "markdown")
def formulas(p): return [a or b for a, b in re.findall(r"(?s)\$\$(.+?)\$\$|(?<!\$)\$([^$\n]+?)\$(?!\$)", re.sub(r"`[^`\n]*`", "", prose(p)))]
def flat(x): return re.sub(r"[\W_]+", " ", x.lower())


@pytest.mark.parametrize("term", TERMS, ids=lambda t: f"{t.lesson}-{t.word}")
def test_word(term):
    "It is said in its lesson, its code is used there, and its symbol stands in a formula of some lesson."
    p = NBS/f"{term.lesson}.ipynb"
    assert flat(term.word).strip() in flat(prose(p) + " " + "\n".join(source(c) for c in own(p))), f"{term.word} is not in {p.name}"
    assert term.meaning.rstrip().endswith(".") and term.meaning[0].isupper(), "the meaning is a sentence"
    if term.code: assert all(re.search(rf"(?<!\w){re.escape(n.strip())}(?!\w)", "\n".join(source(c) for c in own(p))) for n in term.code.split(",")), f"{term.code} is not in {p.name}"
    if term.symbol: assert any(term.symbol.replace(" ", "") in f.replace(" ", "") for q in NBS.glob("[0-5]*.ipynb") for f in formulas(q)), f"no formula has {term.symbol}"


def test_words_are_brought_once():
    assert not (twice := [w for w, k in Counter(t.word.lower() for t in TERMS).items() if k > 1]), f"two lessons bring {twice}: the first one does"
    assert not (twice := [s for s, k in Counter(t.symbol for t in TERMS if t.symbol).items() if k > 1]), f"one symbol, two meanings: {twice}"


def test_symbols_are_in_the_glossary():
    "Every Greek letter, and every x with an index, that a formula of a lesson uses."
    def signs(f): return {*re.findall(r"\\bar\s*\\alpha|\\(?:alpha|beta|gamma|delta|epsilon|varepsilon|eta|theta|kappa|lambda|mu|sigma|tau|phi|varphi|psi|omega)\b|\b[xz]_[0t]\b", f)}
    known = set().union(*(signs(t.symbol) for t in TERMS)); missing = {}
    for p in sorted(NBS.glob("[0-5]*.ipynb")):
        for f in formulas(p):
            for s in signs(f) - known: missing.setdefault(s, p.name)
    assert not missing, f"symbols without a word in a book: {missing}"


def names(p):
    "Names that the code of a notebook gives: variables, arguments, functions."
    import ast
    out = set()
    for c in own(p):
        if c["cell_type"] != "code": continue
        for n in ast.walk(ast.parse(re.sub(r"(?m)^(\s*)[%!].*$", r"\1pass", source(c)))):
            if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store): out.add(n.id)
            elif isinstance(n, ast.arg): out.add(n.arg)
            elif isinstance(n, ast.FunctionDef): out.add(n.name)
    return out


def test_code_has_one_name_for_a_thing():
    other = {n: t.code or t.word for t in TERMS for n in t.never}
    bad = {f"{p.name}: {n} (here: {other[n]})" for p in sorted(NBS.glob("[0-9]*.ipynb")) for n in names(p) & {*other}}
    assert not bad, bad


# For a class

RUN = """import ast, json, sys
from IPython.core.inputtransformer2 import TransformerManager
from sdcourse.exercises.book import Verdict
for path in sys.argv[1:]:
    space, said = {"__name__": "__main__"}, []
    for c in json.load(open(path, encoding="utf-8"))["cells"]:
        if c["cell_type"] != "code": continue
        body = ast.parse(TransformerManager().transform_cell("".join(c["source"]))).body
        last = ast.Expression(body.pop().value) if isinstance(body[-1], ast.Expr) else None
        exec(compile(ast.Module(body, []), path, "exec"), space)
        if last and isinstance(v := eval(compile(last, path, "eval"), space), Verdict): said.append((v.right, v.text))
    print(json.dumps(said))
"""


def test_sets_for_a_class_run(tmp_path):
    "The notebooks that are handed out run from top to bottom: blank without an error and with no check passed, solved with all of them. In one process, for its imports are a third of the time."
    import json
    from sdcourse.cli import SETS, handout
    paths = [p for which in SETS for p in handout(tmp_path/which, which) if p.suffix == ".ipynb"]
    assert len(paths) == 2 * sum(map(len, SETS.values()))
    for path, line in zip(paths, python(RUN, *paths, timeout=1200).splitlines()[-len(paths):], strict=True):
        *checks, (all_solved, score) = json.loads(line); solved = path.parent.name == "solutions"
        assert len(checks) == len(BOOKS[path.stem].exercises)
        for right, text in checks: assert right == solved and (right or "`...`" in text), (path, text)
        assert all_solved == solved, (path, score)
