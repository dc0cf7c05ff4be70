"The books of the lessons: every solution is right, every blank and every usual mistake is not, questions have one right answer, words stand where they say."
import re
from collections import Counter
from importlib import import_module
import pytest
from conftest import ENV # noqa: F401  (no hub, passive threads)
from write import NBS, books, read, source

BOOKS = books()
LESSONS = [p.stem for p in sorted(NBS.glob("[1-4]*.ipynb"))]
EXERCISES = [e for b in BOOKS.values() for e in b.exercises]
QUESTIONS = [(b.lesson, q) for b in BOOKS.values() for q in b.questions]
TERMS = [t for b in BOOKS.values() for t in b.terms]


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
