"What pyproject.toml calls dynamic, read from settings.ini."
from configparser import ConfigParser
from setuptools import setup

ini = ConfigParser(interpolation=None, delimiters=["="]); ini.read("settings.ini", encoding="utf-8")
cfg = ini["DEFAULT"]
extras = {k.removesuffix("_requirements"): v.split() for k, v in cfg.items() if k.endswith("_requirements")}
setup(python_requires=f">={cfg['min_python']}", author=cfg["author"], author_email=cfg["author_email"], license=cfg["license"], keywords=cfg["keywords"].split(),
      install_requires=cfg["requirements"].split(), extras_require=extras)
