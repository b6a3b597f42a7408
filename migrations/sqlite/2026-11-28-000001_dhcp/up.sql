-- Who has which address by DHCP, or had it last: an address has one row at most. `key` sorts as addresses do. `client` is who it
-- is to DHCP (option 61, or its port). What a relay said is kept whole (`option82`) and in its parts, all in hexadecimal.
CREATE TABLE dhcp_leases (
    key TEXT NOT NULL,
    address TEXT NOT NULL,
    subnet TEXT NOT NULL,
    client TEXT NOT NULL,
    hardware_kind INTEGER NOT NULL,
    hardware TEXT NOT NULL,
    uuid TEXT,
    state TEXT NOT NULL,
    expires INTEGER NOT NULL,
    seen INTEGER NOT NULL,
    hostname TEXT NOT NULL,
    giaddr TEXT,
    option82 TEXT,
    circuit_id TEXT,
    remote_id TEXT,
    link_selection TEXT,
    server_id TEXT,
    updated INTEGER NOT NULL,
    PRIMARY KEY (key)
) STRICT;
CREATE INDEX dhcp_leases_by_client ON dhcp_leases (client);
CREATE INDEX dhcp_leases_by_hardware ON dhcp_leases (hardware, hardware_kind);
CREATE INDEX dhcp_leases_by_uuid ON dhcp_leases (uuid);
CREATE INDEX dhcp_leases_by_expires ON dhcp_leases (expires, key);
CREATE INDEX dhcp_leases_by_subnet ON dhcp_leases (subnet, key);
CREATE INDEX dhcp_leases_by_subnet_expires ON dhcp_leases (subnet, expires, key);
-- Which addresses of a span are given, whatever their pools.
CREATE INDEX addresses_live_by_key ON addresses (key) WHERE released IS NULL;
