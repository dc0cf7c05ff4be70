"A hub on this machine: as much of the real one's interface as loading a model or a data set needs, served from a folder `root/owner/name/` (data sets: `root/datasets/owner/name/`)."
import hashlib, json, threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlparse


@contextmanager
def serve(root, wrong=()):
    "Yield the address and the list of requests that came. Files named in `wrong` come with the hash of other bytes, as if they were damaged on their way."
    root = Path(root); seen = []

    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self): self.answer(False)
        def do_GET(self): self.answer(True)
        def do_POST(self): self.answer(True)

        def answer(self, body):
            parts = [p for p in unquote(urlparse(self.path).path).split("/") if p]; seen.append((self.command, "/".join(parts)))
            if parts[:2] in (["api", "models"], ["api", "datasets"]):
                repo = root.joinpath(*parts[2 if parts[1] == "models" else 1:4])
                if not repo.is_dir(): return self.send(404, b'{"error": "Repository not found"}', {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"}, body)
                files = sorted(p for p in repo.rglob("*") if p.is_file())
                if "paths-info" in parts:
                    wanted = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode()).get("paths", []) if "json" not in self.headers["Content-Type"] else json.loads(self.rfile.read(int(self.headers["Content-Length"])))["paths"]
                    reply = [dict(type="file", path=w, size=(repo/w).stat().st_size, oid=self.oid(repo/w)) if (repo/w).is_file() else dict(type="directory", path=w, oid="0" * 40) for w in wanted if (repo/w).exists()]
                elif "tree" in parts:
                    at = repo.joinpath(*parts[parts.index("tree") + 2:])
                    if not at.is_dir(): return self.send(404, b"", {"X-Error-Code": "EntryNotFound"}, body)
                    deep = "recursive=true" in urlparse(self.path).query.lower(); files = [p for p in sorted(at.rglob("*") if deep else at.iterdir()) if p.is_file() or not p.name.startswith(".")]
                    reply = [dict(type="directory", path=p.relative_to(repo).as_posix(), oid="0" * 40) if p.is_dir() else dict(type="file", path=p.relative_to(repo).as_posix(), size=p.stat().st_size, oid=self.oid(p)) for p in files]
                else: reply = dict(id="/".join(parts[2:4]), modelId="/".join(parts[2:4]), sha="0" * 39 + "1", private=False, tags=[], downloads=0, siblings=[dict(rfilename=p.relative_to(repo).as_posix()) for p in files])
                return self.send(200, json.dumps(reply).encode(), {"Content-Type": "application/json"}, body)
            if "resolve" in parts:
                k = parts.index("resolve"); repo, file = root.joinpath(*parts[:k]), root.joinpath(*parts[:k], *parts[k + 2:])
                if not repo.is_dir(): return self.send(404, b"", {"X-Error-Code": "RepoNotFound"}, body)
                if not file.is_file(): return self.send(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": "0" * 39 + "1"}, body)
                return self.send(200, file.read_bytes(), {"ETag": f'"{self.oid(file)}"', "X-Repo-Commit": "0" * 39 + "1"}, body)
            self.send(404, b"", {}, body)

        def oid(self, p): return hashlib.sha256(p.read_bytes() + b"other" * (p.name in wrong)).hexdigest()

        def send(self, code, data, headers, body):
            self.send_response(code)
            for k, v in {**headers, "Content-Length": str(len(data))}.items(): self.send_header(k, v)
            self.end_headers()
            if body: self.wfile.write(data)

        def log_message(self, *args): pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub); threading.Thread(target=server.serve_forever, daemon=True).start()
    try: yield f"http://127.0.0.1:{server.server_port}", seen
    finally: server.shutdown(); server.server_close()
