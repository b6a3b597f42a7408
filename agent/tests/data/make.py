#!/usr/bin/env python3
"""Writes tests/data/qemu: a small tree as /proc and /sys of a virtual server show it. Run it in this folder."""
import os
import struct

ROOT = "qemu"


def put(path, content):
    path = os.path.join(ROOT, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as out:
        out.write(content if isinstance(content, bytes) else content.encode())


def link(path, target):
    path = os.path.join(ROOT, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.lexists(path):
        os.unlink(path)
    os.symlink(target, path)


def record(kind, handle, body, strings):
    text = b"".join(s.encode() + b"\0" for s in strings) + (b"\0" if strings else b"\0\0")
    return struct.pack("<BBH", kind, 4 + len(body), handle) + body + text


UUID = bytes.fromhex("33221100554477668899aabbccddeeff")
TABLE = b"".join([
    record(0, 0, struct.pack("<BBHBBQHBBBB", 1, 2, 0xE800, 3, 0, 8, 0, 0, 0, 0xFF, 0xFF), ["SeaBIOS", "1.16.2", "04/01/2014"]),
    record(1, 0x100, struct.pack("<BBBB", 1, 2, 3, 4) + UUID + struct.pack("<BBB", 6, 0, 5), ["Higuma", "Lab Node", "pc-1", "SN-0001", "Virtual"]),
    record(2, 0x200, struct.pack("<BBBBBBBHB", 1, 2, 0, 3, 0, 1, 0, 0x300, 10) + b"\0", ["QEMU", "Board", "B-1"]),
    record(3, 0x300, struct.pack("<BBBBBBBBBIBBBB", 1, 0x17, 2, 0, 3, 3, 3, 3, 2, 0, 0, 0, 0, 0), ["QEMU", "pc-i440fx", "RACK-7"]),
    record(4, 0x400, struct.pack("<BBBBQBBHHHBBHHHBBBBBBHH", 1, 3, 1, 2, 0, 3, 0, 0, 2000, 2000, 0x41, 1, 0xFFFF, 0xFFFF, 0xFFFF, 0, 0, 0, 2, 2, 4, 0, 1),
           ["CPU 0", "QEMU", "pc-i440fx"]),
    record(17, 0x1100, struct.pack("<HHHHHBBBBBHHBBBB", 0x1000, 0xFFFE, 64, 64, 2048, 9, 0, 1, 0, 0x1A, 2, 3200, 2, 3, 0, 4),
           ["DIMM 0", "QEMU", "D-SN", "PN-1"]),
    record(17, 0x1101, struct.pack("<HHHHHBBBBBHHBBBB", 0x1000, 0xFFFE, 64, 64, 0, 9, 0, 1, 0, 2, 2, 0, 0, 0, 0, 0), ["DIMM 1"]),
    # Type 40 with an entry that is shorter than any can be: it must not be interpreted.
    record(40, 0x2800, bytes([1, 3, 0, 1]), []),
    record(127, 0x7F00, b"", []),
])
put("sys/firmware/dmi/tables/DMI", TABLE)
put("sys/firmware/dmi/tables/smbios_entry_point", b"_SM_\0\x1f\x02\x08" + bytes(23))

put("proc/sys/kernel/osrelease", "6.1.0-30-amd64\n")
put("proc/meminfo", "MemTotal:        2018460 kB\nMemFree:         1765432 kB\nMemAvailable:    1834560 kB\n")
cpu = "processor\t: {0}\nvendor_id\t: AuthenticAMD\nmodel name\t: QEMU Virtual CPU version 2.5+\nphysical id\t: 0\ncore id\t\t: {0}\n\n"
put("proc/cpuinfo", cpu.format(0) + cpu.format(1))

disk = "sys/devices/pci0000:00/0000:00:05.0/virtio2/block/vda"
put(disk + "/size", "2097152\n")
put(disk + "/serial", "DISK-1")
put(disk + "/queue/rotational", "1\n")
put(disk + "/device/vendor", "0x1af4\n")
link("sys/block/vda", "../devices/pci0000:00/0000:00:05.0/virtio2/block/vda")
sata = "sys/devices/pci0000:00/0000:00:06.0/ata1/host0/target0:0:0/0:0:0:0"
# Links to an ancestor (as the kernel's are) would be loops to everything that walks this repository: siblings instead.
sda = os.path.dirname(sata) + "/block-sda"
put(sda + "/size", "4096\n")
put(sata + "/model", "QEMU HARDDISK   \n")
put(sata + "/rev", "2.5+\n")
put(sata + "/vpd_pg80", b"\0\x80\0\x08QM00001 ")
put(sda + "/queue/rotational", "0\n")
link(sda + "/device", "../0:0:0:0")
link("sys/block/sda", "../devices/pci0000:00/0000:00:06.0/ata1/host0/target0:0:0/block-sda")
put("sys/devices/virtual/block/loop0/size", "0\n")
link("sys/block/loop0", "../devices/virtual/block/loop0")

nic = "sys/devices/pci0000:00/0000:00:03.0/virtio0"
eth = os.path.dirname(nic) + "/net-eth0"
put(eth + "/address", "52:54:00:AA:BB:01\n")
put(eth + "/type", "1\n")
put(eth + "/ifindex", "2\n")
put(eth + "/carrier", "1\n")
put(eth + "/speed", "-1\n")
link(eth + "/device", "../virtio0")
link(nic + "/driver", "../../../../bus/virtio/drivers/virtio_net")
put("sys/bus/virtio/drivers/virtio_net/uevent", "")
link("sys/class/net/eth0", "../../devices/pci0000:00/0000:00:03.0/net-eth0")
put("sys/devices/virtual/net/lo/type", "772\n")
link("sys/class/net/lo", "../../devices/virtual/net/lo")

put("sys/devices/system/node/node0/cpulist", "0-1\n")
put("sys/devices/system/node/node0/meminfo", "Node 0 MemTotal:        2018460 kB\nNode 0 MemFree:         1765432 kB\n")
put("sys/devices/pci0000:00/0000:00:03.0/vendor", "0x1af4\n")
put("sys/devices/pci0000:00/0000:00:03.0/device", "0x1000\n")
put("sys/devices/pci0000:00/0000:00:03.0/class", "0x020000\n")
link("sys/bus/pci/devices/0000:00:03.0", "../../../devices/pci0000:00/0000:00:03.0")
