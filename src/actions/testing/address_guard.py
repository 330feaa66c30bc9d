#!/usr/bin/env python3
"""The addresses that no run may reach, over real sockets, where a missing guard reaches nobody.

address_guard.py ACTIONS_TEST: runs the tests AddressGuard.* of that program in a network namespace of its own, with
nothing but loopback. There the refused addresses belong to loopback and traps listen on them, and /etc/hosts has names
that lead to them: a guard that lets one through is caught by its trap. Exits 77 where namespaces are not permitted.
"""

import fcntl
import os
import pathlib
import socket
import struct
import subprocess
import sys
import tempfile
import threading

SIOCGIFFLAGS, SIOCSIFFLAGS, SIOCSIFADDR = 0x8913, 0x8914, 0x8916
IFF_UP = 1
SKIPPED = 77
TESTS = 4  # AddressGuard.* of that program

TRAPS = ["169.254.169.254", "169.254.0.1", "100.100.100.200", "192.0.0.192", "168.63.129.16"]
NAMES = {
    "cloud.test": "169.254.169.254",
    "link.test": "169.254.0.1",
    "alibaba.test": "100.100.100.200",
    "v6.test": "fe80::1",
    "mapped.test": "::ffff:169.254.169.254",
    "nat64.test": "64:ff9b::a9fe:a9fe",
    "aws6.test": "fd00:ec2::254",
    "metadata.google.internal": "127.0.0.1",  # refused by name, wherever it leads
    "fine.test": "127.0.0.1",
}
SPELLINGS = [
    "169.254.169.254", "169.254.169.254.", "2852039166", "0xa9fea9fe", "0xA9.0xFE.0xA9.0xFE", "0251.0376.0251.0376",
    "025177524776", "169.254.43518", "169.16689662", "0xa9.0376.43518", "%31%36%39.254.169.254", "169.254.0.1",
    "100.100.100.200", "0x646464c8", "192.0.0.192", "168.63.129.16", "[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]",
    "[::169.254.169.254]", "[0:0:0:0:0:ffff:a9fe:a9fe]", "[64:ff9b::169.254.169.254]", "[64:ff9b:1::a9fe:a9fe]",
    "[2002:a9fe:a9fe::1]", "[2001:0:a9fe:a9fe::1]", "[2001:0:102:304:0:ffff:5601:5601]", "[fe80::1]", "[fe80::1%25lo]",
    "[fe80::a9fe:a9fe]", "[fd00:ec2::254]", "[fd20:ce::254]", "METADATA.google.internal", "metadata.google.internal.",
]  # fmt: skip


def interface_request(control, request, name, payload):
    return fcntl.ioctl(control, request, struct.pack("16s24s", name.encode(), payload))


def raise_loopback():
    control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    flags = struct.unpack("16sh22x", interface_request(control, SIOCGIFFLAGS, "lo", b""))[1]
    interface_request(control, SIOCSIFFLAGS, "lo", struct.pack("h22x", flags | IFF_UP))
    for number, address in enumerate(TRAPS):
        alias = f"lo:{number + 1}"
        interface_request(control, SIOCSIFADDR, alias, struct.pack("HH4s8x8x", socket.AF_INET, 0, socket.inet_aton(address)))


class Traps:
    def __init__(self):
        self.caught = []
        for address in TRAPS:
            for port in (80, 443):
                listener = socket.create_server((address, port))
                threading.Thread(target=self.listen, args=(listener, f"{address}:{port}"), daemon=True).start()

    def listen(self, listener, name):
        while True:
            connection, _ = listener.accept()
            self.caught.append(name)
            connection.close()


def inside(program):
    raise_loopback()
    with tempfile.NamedTemporaryFile("w", suffix="-hosts") as hosts:
        hosts.write("127.0.0.1 localhost\n::1 localhost\n")
        hosts.writelines(f"{address} {name}\n" for name, address in NAMES.items())
        hosts.flush()
        subprocess.run(["mount", "--bind", hosts.name, "/etc/hosts"], check=True)
        traps = Traps()
        for address in TRAPS:  # a trap that catches nothing would prove nothing
            with socket.create_connection((address, 80)) as probe:
                probe.recv(1)
        assert sorted(traps.caught) == sorted(f"{address}:80" for address in TRAPS), traps.caught
        traps.caught.clear()
        environment = os.environ | {
            "TESTMESH_GUARD_REFUSED": " ".join(SPELLINGS + [name for name in NAMES if name != "fine.test"]),
            "TESTMESH_GUARD_ALLOWED": "127.0.0.1 0.0.0.0 fine.test 127.1 localhost",
        }
        result = subprocess.run(
            [program, "--gtest_filter=AddressGuard.*"], env=environment, check=False, capture_output=True, text=True
        )
        print(result.stdout + result.stderr, end="")
    if f"[  PASSED  ] {TESTS} tests." not in result.stdout:
        print(f"not all {TESTS} tests passed")
        return 1
    if traps.caught:
        print(f"reached what must not be reached: {', '.join(traps.caught)}")
        return 1
    return result.returncode


def main():
    if sys.argv[1] == "--inside":
        sys.exit(inside(sys.argv[2]))
    program = str(pathlib.Path(sys.argv[1]).resolve())
    if subprocess.run(["unshare", "-n", "-m", "true"], check=False, capture_output=True).returncode != 0:
        print("skipped: `unshare -n -m` is not permitted here")
        sys.exit(SKIPPED)
    command = ["unshare", "-n", "-m", sys.executable, __file__, "--inside", program]
    sys.exit(subprocess.run(command, check=False, timeout=240).returncode)


if __name__ == "__main__":
    main()
