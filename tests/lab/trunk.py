"""The far end of a bond with VLANs, by raw frames: the kernel of the machine that the lab runs on may have neither.

    trunk.py lacp SYSTEM PORT...                speaks LACP (IEEE 802.1AX-2020, 6.4.2) on these interfaces, for ever; a line of
                                                each port when its partner's state changes
    trunk.py ping PORT VLAN SOURCE ADDRESS      pings in a VLAN (IEEE 802.1Q); ends with 0 when an answer came
"""
import select
import socket
import struct
import sys
import time

SLOW = bytes.fromhex("0180c2000002")
LACP, DOT1Q, ARP, IP = 0x8809, 0x8100, 0x0806, 0x0800
# Activity, short timeout, aggregation, synchronization, collecting, distributing.
GOOD = 0x3F
SOL_PACKET, PACKET_AUXDATA = 263, 8


def opened(port, protocol):
    line = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(protocol))
    line.bind((port, protocol))
    return line


def address_of(line):
    return line.getsockname()[4]


def lacp(system, ports):
    lines = {opened(port, LACP): n for n, port in enumerate(ports, 1)}
    partner = {n: bytes(15) for n in lines.values()}
    told = {}
    us = bytes.fromhex(system.replace(":", ""))
    due = 0
    while True:
        ready, _, _ = select.select(list(lines), [], [], 0.2)
        for line in ready:
            frame = line.recv(2048)
            n = lines[line]
            # LACP version 1, the other's own words first.
            if frame[6:12] == us or frame[12:16] != bytes.fromhex("88090101") or frame[16:18] != bytes([1, 20]):
                continue
            partner[n] = frame[18:33]
            if told.get(n) != partner[n][14]:
                told[n] = partner[n][14]
                mac = partner[n][2:8].hex(":")
                print(f"{ports[n - 1]} partner {mac} key {partner[n][8:10].hex()} state {told[n]:02x}", flush=True)
        if time.monotonic() < due:
            continue
        due = time.monotonic() + 1
        for line, n in lines.items():
            actor = struct.pack("!H6sHHHB", 0x8000, us, 1, 0x80, n, GOOD)
            body = bytes([1, 1, 1, 20]) + actor + bytes(3) + bytes([2, 20]) + partner[n] + bytes(3)
            body += bytes([3, 16]) + bytes(14) + bytes(52)
            try:
                line.send(SLOW + us + struct.pack("!H", LACP) + body)
            except OSError:
                pass  # Its machine is off.


def summed(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def ping(port, vlan, source, target):
    line = opened(port, 3)
    line.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    mac, ours, theirs = address_of(line), socket.inet_aton(source), socket.inet_aton(target)

    def send(to, kind, payload):
        line.send(to + mac + struct.pack("!HHH", DOT1Q, vlan, kind) + payload)

    def heard(until):
        """Ethertype, source and payload of the next frame of this VLAN."""
        while (left := until - time.monotonic()) > 0:
            if not select.select([line], [], [], left)[0]:
                break
            frame, extra, _, _ = line.recvmsg(65536, 64)
            tag, kind, rest = 0, frame[12:14], frame[14:]
            for level, what, data in extra:
                if (level, what) == (SOL_PACKET, PACKET_AUXDATA):
                    tag = struct.unpack("=IIIHHHH", data[:20])[5] & 0xFFF
            if kind == struct.pack("!H", DOT1Q):
                tag, kind, rest = struct.unpack("!H", rest[:2])[0] & 0xFFF, rest[2:4], rest[4:]
            if tag == vlan and frame[6:12] != mac:
                yield struct.unpack("!H", kind)[0], frame[6:12], rest

    end, peer = time.monotonic() + 60, None
    request = struct.pack("!HHBBH6s4s6s4s", 1, IP, 6, 4, 1, mac, ours, bytes(6), theirs)
    while time.monotonic() < end:
        if peer is None:
            send(b"\xff" * 6, ARP, request)
        else:
            echo = struct.pack("!BBHHH", 8, 0, 0, 7, 1) + b"higuma 1"
            echo = echo[:2] + struct.pack("!H", summed(echo)) + echo[4:]
            head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(echo), 1, 0, 64, 1, 0, ours, theirs)
            send(peer, IP, head[:10] + struct.pack("!H", summed(head)) + head[12:] + echo)
        for kind, origin, payload in heard(time.monotonic() + 2):
            if kind == ARP and payload[6:8] == b"\0\x02" and payload[14:18] == theirs:
                if peer is None:
                    print(f"{target} is at {origin.hex(':')} in VLAN {vlan}", flush=True)
                    peer = origin
                    break
            elif kind == ARP and payload[6:8] == b"\0\x01" and payload[24:28] == ours:
                send(origin, ARP, struct.pack("!HHBBH6s4s6s4s", 1, IP, 6, 4, 2, mac, ours, payload[8:14], payload[14:18]))
            elif kind == IP and payload[9] == 1 and payload[12:16] == theirs and payload[20:22] == b"\0\0":
                print(f"{target} answers the ping in VLAN {vlan}", flush=True)
                return 0
    print(f"{target} does not answer in VLAN {vlan}", flush=True)
    return 1


if __name__ == "__main__":
    if sys.argv[1] == "lacp":
        lacp(sys.argv[2], sys.argv[3:])
    else:
        sys.exit(ping(sys.argv[2], int(sys.argv[3]), sys.argv[4], sys.argv[5]))
