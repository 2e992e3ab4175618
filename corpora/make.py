#!/usr/bin/env python3
# Writes the binary seeds (gzip, deflate, bytes) and every manifest.tsv. Run it after adding or changing a file here.
#
# Python's standard library alone; no clock, no randomness. The compressed bytes depend on the zlib that Python was
# built with, so the committed files are the truth: `make.py --manifests` leaves the seeds as they are.
import gzip
import hashlib
import io
import pathlib
import struct
import sys
import zlib

ROOT = pathlib.Path(__file__).resolve().parent
PATIENT = (ROOT / "fhir-json/seeds/patient.json").read_bytes()
TEXT = b"Synthetic text for synthetic patients. " * 12
RUN = b"A" * 3000
COUNTING = bytes(range(256))


def deflate(data, level=6, window=-15, strategy=zlib.Z_DEFAULT_STRATEGY, pieces=1, flush=zlib.Z_SYNC_FLUSH):
    packer = zlib.compressobj(level, zlib.DEFLATED, window, 8, strategy)
    size = max(1, -(-len(data) // pieces))
    out = b""
    for at in range(0, len(data), size):
        out += packer.compress(data[at : at + size])
        if at + size < len(data):
            out += packer.flush(flush)
    return out + packer.flush()


def member(data, body=None, flags=0, extra=b"", name=b"", comment=b"", header_crc=False):
    """A gzip member with the optional header fields that compressors rarely write."""
    head = bytes([0x1F, 0x8B, 8, flags | (2 if header_crc else 0)]) + bytes(4) + b"\x00\xff"
    if flags & 4:
        head += struct.pack("<H", len(extra)) + extra
    if flags & 8:
        head += name + b"\0"
    if flags & 16:
        head += comment + b"\0"
    if header_crc:
        head += struct.pack("<H", zlib.crc32(head) & 0xFFFF)
    body = deflate(data) if body is None else body
    return head + body + struct.pack("<II", zlib.crc32(data), len(data) & 0xFFFFFFFF)


GZIP = {
    "empty": member(b""),
    "text": member(TEXT),
    "patient": member(PATIENT),
    "stored": member(TEXT, deflate(TEXT, level=0)),
    "fixed-huffman": member(b"abc abc", deflate(b"abc abc", strategy=zlib.Z_FIXED)),
    "huffman-only": member(COUNTING, deflate(COUNTING, strategy=zlib.Z_HUFFMAN_ONLY)),
    "run": member(RUN, deflate(RUN, level=9, strategy=zlib.Z_RLE)),
    "named": member(b"named", flags=8, name=b"bundle.json"),
    "all-header-fields": member(TEXT, flags=1 | 4 | 8 | 16, extra=b"AP\x02\x00xy", name=b"n", comment=b"c", header_crc=True),
    "two-members": member(b"first ") + member(b"second"),
    "sync-flushed": member(TEXT, deflate(TEXT, pieces=4)),
}
DEFLATE = {
    "raw-empty": deflate(b""),
    "raw-stored": deflate(TEXT, level=0),
    "raw-fixed": deflate(b"synthetic synthetic", strategy=zlib.Z_FIXED),
    "raw-dynamic": deflate(PATIENT, level=9),
    "raw-run": deflate(RUN, strategy=zlib.Z_RLE),
    "raw-blocks": deflate(TEXT, pieces=5, flush=zlib.Z_FULL_FLUSH),
    "raw-small-window": deflate(PATIENT, window=-9),
    "zlib-fast": deflate(TEXT, level=1, window=15),
    "zlib-best": deflate(PATIENT, level=9, window=15),
    "zlib-huffman-only": deflate(COUNTING, window=15, strategy=zlib.Z_HUFFMAN_ONLY),
    "zlib-small-window": deflate(TEXT, window=9),
    "gzip-text": member(TEXT),
    "gzip-header-crc": member(TEXT, flags=8, name=b"x", header_crc=True),
}
BYTES = {
    "zeros": bytes(16),
    "counting": COUNTING[:64],
    "text": b"synthetic input, 32 bytes long..",
    "high": bytes(range(255, 223, -1)),
}
# Formats whose seeds are written here, and the extension of their files; all else is written by hand.
MADE = {"gzip": "gz", "deflate": "bin", "bytes": "bin"}


def write_seeds():
    for folder, seeds in (("gzip", GZIP), ("deflate", DEFLATE), ("bytes", BYTES)):
        for name, data in seeds.items():
            path = ROOT / folder / "seeds" / f"{name}.{MADE[folder]}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    for data in GZIP.values():
        gzip.GzipFile(fileobj=io.BytesIO(data)).read()


def write_manifests():
    for folder in sorted(path.name for path in ROOT.iterdir() if path.is_dir()):
        how = "make.py" if folder in MADE else "written by hand for Autoclave"
        rows = ["# path\tsha256\tbytes\tlicence\thow it was made"]
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and path.parent.name in ("seeds", "vectors", "regressions"):
                data = path.read_bytes()
                made = "reproducer, written by hand" if path.parent.name == "regressions" else how
                name = path.relative_to(ROOT / folder).as_posix()
                rows.append(f"{name}\t{hashlib.sha256(data).hexdigest()}\t{len(data)}\tCC0-1.0\t{made}")
        if len(rows) > 1:
            (ROOT / folder / "manifest.tsv").write_text("\n".join(rows) + "\n")


if "--manifests" not in sys.argv:
    write_seeds()
write_manifests()
