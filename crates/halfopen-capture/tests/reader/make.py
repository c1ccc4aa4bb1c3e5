#!/usr/bin/env python3
"""Writes the files of this folder with Wireshark's tools, and what tshark reads in them.

usage: make.py CLIENT.pcap     (captures/slow-response-nat8-requests/client.pcap)
"""

import gzip
import json
import re
import struct
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
# Wireshark's numbers for link types, and tcpdump's.
LINKS = {1: 1, 7: 101, 15: 0, 25: 113, 129: 101, 130: 101, 210: 276}


def run(*command, **options):
    return subprocess.run(command, check=True, capture_output=True, **options).stdout


def tshark(path):
    """Yields (number, nanoseconds, interface, link type, wire length, bytes) of each frame.

    Wireshark counts interfaces in each section, the reader in the file.
    """
    fields = "number time_epoch section_number interface_id encap_type len".split()
    options = [part for field in fields for part in ("-e", f"frame.{field}")]
    first, count = {}, 0
    rows = run("tshark", "-r", path, "-T", "fields", *options, text=True).splitlines()
    raw = json.loads(run("tshark", "-r", path, "-T", "jsonraw"))
    for row, packet in zip(rows, raw, strict=True):
        number, time, section, interface, link, length = row.split("\t")
        interface = first.setdefault(section, count) + int(interface or 0)
        count = max(count, interface + 1)
        nanos = "-"
        if time:
            seconds, fraction = re.fullmatch(r"(\d+)\.(\d{9})", time).groups()
            nanos = str(int(seconds) * 10**9 + int(fraction))
        data = bytes.fromhex(packet["_source"]["layers"]["frame_raw"][0])
        yield number, nanos, interface, LINKS[int(link)], length, data


def fnv1a(data):
    """The 64-bit FNV-1a hash."""
    digest = 0xCBF29CE484222325
    for byte in data:
        digest = (digest ^ byte) * 0x100000001B3 % 2**64
    return digest


def cooked(path, version):
    """Returns text2pcap's input: the frames of `path` as Linux would cook them."""
    lines = []
    for _, nanos, _, _, _, frame in tshark(path):
        kind = 4 if frame[26:28] == b"\x0a\x4e" and frame[29] == 1 else 0
        header = {
            1: struct.pack("!HHH", kind, 1, 6) + frame[6:12] + b"\0\0" + frame[12:14],
            2: frame[12:14] + struct.pack("!HIHBB", 0, 3, 1, kind, 6) + frame[6:12] + b"\0\0",
        }[version]
        lines.append(f"{nanos[:-9]}.{nanos[-9:]}")
        lines.append("000000 " + (header + frame[14:]).hex(" "))
    return "\n".join(lines).encode() + b"\n"


def main(source):
    micros = HERE / "micros.pcap"
    micros.write_bytes(Path(source).read_bytes())
    run("editcap", "-F", "nsecpcap", "-t", "0.000000789", micros, HERE / "nanos.pcap")
    run("editcap", "-F", "pcapng", micros, HERE / "plain.pcapng")
    run("editcap", "-F", "pcap", "-s", "60", micros, HERE / "cut.pcap")
    run("editcap", "-F", "modpcap", micros, HERE / "kuznetzov.pcap")
    for version, link in ((1, "113"), (2, "276")):
        to = HERE / f"cooked{version}.pcapng"
        run("text2pcap", "-t", "%s.%f", "-l", link, "-", to, input=cooked(micros, version))
    merged = HERE / "merged.pcapng"
    parts = [micros, HERE / "cooked1.pcapng", HERE / "cut.pcap"]
    run("mergecap", "-F", "pcapng", "-I", "none", "-w", merged, *parts)
    both = (HERE / "plain.pcapng").read_bytes() + (HERE / "cooked2.pcapng").read_bytes()
    (HERE / "sections.pcapng").write_bytes(both)
    (HERE / "sections.pcapng.gz").write_bytes(gzip.compress(both, mtime=0))
    rows = []
    for path in sorted(HERE.glob("*.pcap*")):
        for *row, data in tshark(path):
            row = [path.name, *row, len(data), f"{fnv1a(data):016x}"]
            rows.append("\t".join(map(str, row)))
    (HERE / "expected.tsv").write_text("\n".join(rows) + "\n")


main(*sys.argv[1:])
