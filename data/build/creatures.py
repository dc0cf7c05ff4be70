"python data/build/creatures.py: the creatures that travel in the package, made from monsters.parquet. Pictures and captions are untouched; what is the same in every row (licence, source, style) stands in the note beside it."
from pathlib import Path
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parents[2]
KEEP = ["image", "captions", "subject", "type", "split", "source_file", "in_vetted_cc0_release"]


def main(out=ROOT/"sdcourse"/"creatures"/"creatures.parquet"):
    table = pq.read_table(ROOT/"data"/"monsters.parquet").select(KEEP).replace_schema_metadata(None)
    pq.write_table(table, out, compression="zstd")
    return table


if __name__ == "__main__": print(main().num_rows, "rows")
