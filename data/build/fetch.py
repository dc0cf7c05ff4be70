"Fetch the pinned public packages, believe none before its hash is checked, and read files out of them."
import hashlib, json, os, tarfile, urllib.error, urllib.request
from pathlib import Path

PACKAGES = json.loads((Path(__file__).parent/"packages.json").read_text())

class PackageError(Exception): "A package could not be had, or is not the one that is pinned."

def sha256(path): return hashlib.file_digest(open(path, "rb"), "sha256").hexdigest()

def download(url, path):
    "Write what `url` gives to `path`, which never holds half a file."
    part = path.with_name(path.name+".part")
    with urllib.request.urlopen(url, timeout=60) as r, open(part, "wb") as f:
        while block := r.read(1<<20): f.write(block)
    os.replace(part, path)

def fetch(key, cache):
    "The path of package `key` in the folder `cache`, downloaded if it is not there, its sha256 checked every time."
    p = PACKAGES[key]; path = Path(cache)/f"{key}-{p['version']}{'.tar.xz' if p['url'].endswith('.xz') else '.tgz'}"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True); print(f"fetching {p['name']} {p['version']}", flush=True)
        try: download(p["url"], path)
        except (urllib.error.URLError, TimeoutError) as e:
            raise PackageError(f"{p['name']} {p['version']} could not be fetched from {p['url']}: {e}\n"
                               f"  Try again later, or put the archive there yourself as {path}. {p.get('by_hand', '')}") from e
    if (actual := sha256(path)) != p["sha256"]:
        raise PackageError(f"{path} is not {p['name']} {p['version']}:\n  expected sha256 {p['sha256']}\n  actual   sha256 {actual}\n"
                           f"  Delete the file and run again. If the hash stays wrong, the archive at {p['url']} was changed: do not use it.")
    return path

def read_files(archive, wanted):
    "{name in the archive without its first folder: bytes} of the files for which `wanted(name)` is true."
    with tarfile.open(archive) as t:
        inside = ((m, m.name.partition("/")[2]) for m in t if m.isfile())
        return {name: t.extractfile(m).read() for m, name in inside if wanted(name)}

def read_json(archive, *names):
    "The JSON files `names` of an archive, parsed; None for one that is not there."
    files = read_files(archive, set(names).__contains__)
    return [json.loads(files[n]) if n in files else None for n in names]
