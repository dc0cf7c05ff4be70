"What pyproject.toml calls dynamic: from settings.ini, and the README with its links made whole, for a registry shows it without the files beside it."
import re, tomllib
from configparser import ConfigParser
from pathlib import Path
from setuptools import setup

ini = ConfigParser(interpolation=None, delimiters=["="]); ini.read("settings.ini", encoding="utf-8")
cfg = ini["DEFAULT"]
extras = {k.removesuffix("_requirements"): v.split() for k, v in cfg.items() if k.endswith("_requirements")}
repo = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))["project"]["urls"]["Repository"]
tag = "v" + re.search(r'__version__ = "(.+)"', Path("sdcourse/__init__.py").read_text("utf-8"))[1]
readme = re.sub(r"\]\((?!https?:|#)([^)\s]+)", lambda m: f"]({repo}/{'raw' if m[1].endswith(('.png', '.jpg', '.gif')) else 'blob'}/{tag}/{m[1]}", Path("README.md").read_text("utf-8"))
setup(python_requires=f">={cfg['min_python']}", author=cfg["author"], author_email=cfg["author_email"], license=cfg["license"], keywords=cfg["keywords"].split(),
      install_requires=cfg["requirements"].split(), extras_require=extras, long_description=readme, long_description_content_type="text/markdown")
