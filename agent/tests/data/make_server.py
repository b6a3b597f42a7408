#!/usr/bin/env python3
"""Writes tests/data/server: a larger machine as /proc and /sys show it, modelled on a two-socket server of 2021. Two NUMA
nodes, NVMe with and without several paths, SATA, a USB drive without a medium, an i40e NIC with virtual functions, a GPU,
a TPM, UEFI with Secure Boot. Run it in this folder."""
import os
import struct

ROOT = "server"


def put(path, content):
    path = os.path.join(ROOT, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as out:
        out.write(content if isinstance(content, bytes) else content.encode())


def link(path, target):
    """Links to an ancestor (as the kernel's are) would be loops to everything that walks this repository: what they
    point to stands beside them here."""
    path = os.path.join(ROOT, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.lexists(path):
        os.unlink(path)
    os.symlink(target, path)


def record(kind, handle, body, strings):
    text = b"".join(s.encode() + b"\0" for s in strings) + (b"\0" if strings else b"\0\0")
    return struct.pack("<BBH", kind, 4 + len(body), handle) + body + text


def socket(number):
    body = struct.pack("<BBBBQBBHHHBBHHHBBBBBBHH", 1, 3, 0xB3, 2, 0, 3, 0, 0, 3500, 2400, 0x41, 1, 0xFFFF, 0xFFFF, 0xFFFF, 0, 0, 0, 2, 2, 4, 0xFC, 0xB3)
    return record(4, 0x400 + number, body, [f"CPU{number + 1}", "Intel", "Intel(R) Xeon(R) Gold 5315Y CPU @ 3.20GHz"])


UUID = bytes.fromhex("4445 4c4c 3000 1046 8052 b4c04f4a4d32".replace(" ", ""))
put("sys/firmware/dmi/tables/DMI", b"".join([
    record(0, 0, struct.pack("<BBHBBQHBBBB", 1, 2, 0xF000, 3, 0xFF, 8, 3, 1, 9, 0xFF, 0xFF), ["Dell Inc.", "1.9.2", "11/17/2023"]),
    record(1, 0x100, struct.pack("<BBBB", 1, 2, 0, 3) + UUID + struct.pack("<BBB", 6, 0, 0), ["Dell Inc.", "PowerEdge R650", "F0R04M2"]),
    socket(0),
    socket(1),
    record(127, 0x7F00, b"", []),
]))
put("sys/firmware/dmi/tables/smbios_entry_point", b"_SM3_\0\x18\x03\x03\x00\x01\x00" + bytes(12))

put("proc/sys/kernel/osrelease", "6.1.0-30-amd64\n")
put("proc/meminfo", "MemTotal:       65731544 kB\nMemFree:        64000000 kB\nMemAvailable:   64000000 kB\n")
FLAGS = "fpu vme de pse tsc msr vmx smx est avx512f avx512vl aes"
CPU = """processor\t: {0}
vendor_id\t: GenuineIntel
model name\t: Intel(R) Xeon(R) Gold 5315Y CPU @ 3.20GHz
microcode\t: 0xd0003a5
physical id\t: {1}
core id\t\t: {2}
flags\t\t: {3}
vmx flags\t: vnmi preemption_timer invvpid

"""
put("proc/cpuinfo", "".join(CPU.format(n, n % 2, n // 2 % 2, FLAGS) for n in range(8)))

for node in range(2):
    folder = f"sys/devices/system/node/node{node}"
    put(folder + "/cpulist", ",".join(str(n) for n in range(8) if n % 2 == node) + "\n")
    put(folder + "/meminfo", f"\nNode {node} MemTotal:       {32865000 + node} kB\nNode {node} MemFree:        32000000 kB\n")
put("sys/devices/system/node/online", "0-1\n")
put("sys/devices/virtual/iommu/dmar0/uevent", "")
link("sys/class/iommu/dmar0", "../../devices/virtual/iommu/dmar0")


def pci(path, vendor, device, klass, driver="", sub=("0x1028", "0x0a6b"), revision="0x01", numa=0):
    """One function; `path` from its root complex on."""
    folder = "sys/devices/" + path
    for name, value in [("vendor", vendor), ("device", device), ("class", klass), ("revision", revision),
                        ("subsystem_vendor", sub[0]), ("subsystem_device", sub[1]), ("numa_node", str(numa))]:
        put(f"{folder}/{name}", value + "\n")
    if driver:
        put(f"sys/bus/pci/drivers/{driver}/uevent", "")
        link(folder + "/driver", "../" * (path.count("/") + 2) + f"bus/pci/drivers/{driver}")
    link("sys/bus/pci/devices/" + os.path.basename(path), "../../../devices/" + path)
    return folder


pci("pci0000:00/0000:00:1f.0", "0x8086", "0xa1c1", "0x060100")
ahci = pci("pci0000:00/0000:00:17.0", "0x8086", "0xa182", "0x010601", "ahci")
usb = pci("pci0000:00/0000:00:14.0", "0x8086", "0xa1af", "0x0c0330", "xhci_hcd")
pci("pci0000:00/0000:00:1c.5/0000:03:00.0", "0x102b", "0x0536", "0x030000", "mgag200", revision="0x04")
pci("pci0000:b2/0000:b2:00.0/0000:b3:00.0", "0x10de", "0x20f1", "0x030200", "", ("0x10de", "0x145f"), "0xa1", 1)

# A NIC with two ports, and two virtual functions of the first.
port = "pci0000:3a/0000:3a:00.0"
for function, mac in [(0, "3c:fd:fe:9c:5f:c0"), (1, "3c:fd:fe:9c:5f:c2")]:
    nic = pci(f"{port}/0000:3b:00.{function}", "0x8086", "0x1572", "0x020000", "i40e", ("0x8086", "0x0000"), "0x02")
    put(nic + "/sriov_totalvfs", "64\n")
    put(nic + "/sriov_numvfs", "2\n" if function == 0 else "0\n")
    eth = f"sys/devices/{port}/net-eth{function}"
    put(eth + "/address", mac + "\n")
    put(eth + "/type", "1\n")
    put(eth + "/carrier", "1\n" if function == 0 else "0\n")
    put(eth + "/speed", "10000\n" if function == 0 else "4294967295\n")
    link(eth + "/device", f"../0000:3b:00.{function}")
    link(f"sys/class/net/eth{function}", f"../../devices/{port}/net-eth{function}")
for number in range(2):
    vf = pci(f"{port}/0000:3b:02.{number}", "0x8086", "0x154c", "0x020000", "iavf", ("0x8086", "0x0000"), "0x02")
    link(vf + "/physfn", "../0000:3b:00.0")
    eth = f"sys/devices/{port}/net-eth{2 + number}"
    put(eth + "/address", f"02:00:00:00:00:0{number}\n")
    put(eth + "/type", "1\n")
    link(eth + "/device", f"../0000:3b:02.{number}")
    link(f"sys/class/net/eth{2 + number}", f"../../devices/{port}/net-eth{2 + number}")

# A namespace with several paths hangs below its subsystem; the paths stand beside it in sys/block.
nvme = pci("pci0000:17/0000:17:02.0/0000:18:00.0", "0x144d", "0xa824", "0x010802", "nvme", ("0x1028", "0x2173"), "0x00")
virtual = "sys/devices/virtual/nvme-subsystem"
for folder in [nvme + "/nvme/nvme0", virtual + "/nvme-subsys0"]:
    put(folder + "/model", "Dell Ent NVMe CM6 MU 1.6TB              \n")
    put(folder + "/serial", "S6XPNX0T100042      \n")
    put(folder + "/firmware_rev", "2.1.8   \n")
link(virtual + "/nvme-subsys0/nvme0", "../../../pci0000:17/0000:17:02.0/0000:18:00.0/nvme/nvme0")
put(virtual + "/block-nvme0n1/size", "3125627568\n")
put(virtual + "/block-nvme0n1/wwid", "eui.36585730541000420025384500000001\n")
put(virtual + "/block-nvme0n1/queue/rotational", "0\n")
link(virtual + "/block-nvme0n1/device", "../nvme-subsys0")
link("sys/block/nvme0n1", "../devices/virtual/nvme-subsystem/block-nvme0n1")
put(nvme + "/nvme/block-nvme0c0n1/size", "3125627568\n")
link("sys/block/nvme0c0n1", "../devices/pci0000:17/0000:17:02.0/0000:18:00.0/nvme/block-nvme0c0n1")

# One without.
nvme = pci("pci0000:17/0000:17:03.0/0000:19:00.0", "0x8086", "0x0a54", "0x010802", "nvme", ("0x8086", "0x4702"), "0x00")
put(nvme + "/nvme/nvme1/model", "INTEL SSDPE2KX010T8                     \n")
put(nvme + "/nvme/nvme1/serial", "PHLJ0042001P1P0FGN  \n")
put(nvme + "/nvme/nvme1/firmware_rev", "VDV10184\n")
put(nvme + "/nvme/block-nvme1n1/size", "1953525168\n")
put(nvme + "/nvme/block-nvme1n1/wwid", "eui.01000000000000005cd2e4a1b2c35551\n")
put(nvme + "/nvme/block-nvme1n1/queue/rotational", "0\n")
link(nvme + "/nvme/block-nvme1n1/device", "../nvme1")
link("sys/block/nvme1n1", "../devices/pci0000:17/0000:17:03.0/0000:19:00.0/nvme/block-nvme1n1")


def identify(serial, firmware, model):
    """A page 0x89 of vital product data with the strings of IDENTIFY DEVICE."""
    page = bytearray(60 + 512)
    page[1:4] = b"\x89\x02\x38"
    for word, length, text in [(10, 20, serial), (23, 8, firmware), (27, 40, model)]:
        text = text.encode().ljust(length)
        for at in range(0, length, 2):
            page[60 + word * 2 + at: 60 + word * 2 + at + 2] = text[at + 1:at + 2] + text[at:at + 1]
    return bytes(page)


target = ahci + "/ata1/host0/target0:0:0"
put(target + "/0:0:0:0/model", "MTFDDAK480TDT   \n")
put(target + "/0:0:0:0/vendor", "ATA     \n")
put(target + "/0:0:0:0/rev", "J004\n")
put(target + "/0:0:0:0/wwid", "naa.500a075128a1b2c3\n")
put(target + "/0:0:0:0/vpd_pg80", b"\0\x80\0\x14        2141318A0001")
put(target + "/0:0:0:0/vpd_pg89", identify("        2141318A0001", "D3DJ004", "MTFDDAK480TDT-1AW1ZABDA"))
put(target + "/block-sda/size", "937703088\n")
put(target + "/block-sda/queue/rotational", "0\n")
link(target + "/block-sda/device", "../0:0:0:0")
link("sys/block/sda", "../" + target.removeprefix("sys/") + "/block-sda")

# The BMC's virtual drive, without a medium.
target = usb + "/usb1/1-14/1-14:1.0/host1/target1:0:0"
put(target + "/1:0:0:0/model", "Virtual Floppy  \n")
put(target + "/1:0:0:0/vendor", "Linux   \n")
put(target + "/block-sdb/size", "0\n")
put(target + "/block-sdb/removable", "1\n")
link(target + "/block-sdb/device", "../1:0:0:0")
link("sys/block/sdb", "../" + target.removeprefix("sys/") + "/block-sdb")

put("sys/devices/LNXSYSTM:00/MSFT0101:00/tpm/tpm0/tpm_version_major", "2\n")
link("sys/class/tpm/tpm0", "../../devices/LNXSYSTM:00/MSFT0101:00/tpm/tpm0")
put("sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c", b"\x06\0\0\0\x01")
put("sys/firmware/efi/efivars/SetupMode-8be4df61-93ca-11d2-aa0d-00e098032b8c", b"\x06\0\0\0\0")
