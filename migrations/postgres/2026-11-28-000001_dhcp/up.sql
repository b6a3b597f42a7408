-- Who has which address by DHCP, or had it last: an address has one row at most. `key` sorts as addresses do. `client` is who it
-- is to DHCP (option 61, or its port). What a relay said is kept whole (`option82`) and in its parts, all in hexadecimal.
CREATE TABLE dhcp_leases (
    key TEXT COLLATE "C" NOT NULL,
    address TEXT COLLATE "C" NOT NULL,
    subnet TEXT COLLATE "C" NOT NULL,
    client TEXT COLLATE "C" NOT NULL,
    hardware_kind BIGINT NOT NULL,
    hardware TEXT COLLATE "C" NOT NULL,
    uuid TEXT COLLATE "C",
    state TEXT COLLATE "C" NOT NULL,
    expires BIGINT NOT NULL,
    seen BIGINT NOT NULL,
    hostname TEXT COLLATE "C" NOT NULL,
    giaddr TEXT COLLATE "C",
    option82 TEXT COLLATE "C",
    circuit_id TEXT COLLATE "C",
    remote_id TEXT COLLATE "C",
    link_selection TEXT COLLATE "C",
    server_id TEXT COLLATE "C",
    updated BIGINT NOT NULL,
    PRIMARY KEY (key)
);
CREATE INDEX dhcp_leases_by_client ON dhcp_leases (client);
CREATE INDEX dhcp_leases_by_hardware ON dhcp_leases (hardware, hardware_kind);
CREATE INDEX dhcp_leases_by_uuid ON dhcp_leases (uuid);
CREATE INDEX dhcp_leases_by_expires ON dhcp_leases (expires, key);
CREATE INDEX dhcp_leases_by_subnet ON dhcp_leases (subnet, key);
CREATE INDEX dhcp_leases_by_subnet_expires ON dhcp_leases (subnet, expires, key);
-- Which addresses of a span are given, whatever their pools.
CREATE INDEX addresses_live_by_key ON addresses (key) WHERE released IS NULL;
