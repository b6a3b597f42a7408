-- What a node asked of boot services (DHCP, TFTP, HTTP boot, scripts) and got. `number` counts within one start of one server, so
-- (at, number, server) names an exchange. Bounded for each node and by age.
CREATE TABLE boot_exchanges (
    node TEXT NOT NULL,
    at INTEGER NOT NULL,
    number INTEGER NOT NULL,
    server TEXT NOT NULL,
    service TEXT NOT NULL,
    what TEXT NOT NULL,
    result TEXT NOT NULL,
    detail TEXT NOT NULL,
    mac TEXT NOT NULL,
    uuid TEXT NOT NULL,
    client TEXT NOT NULL,
    address TEXT NOT NULL,
    interface TEXT NOT NULL,
    relay TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    took_us INTEGER NOT NULL,
    PRIMARY KEY (node, at, number, server),
    FOREIGN KEY (node) REFERENCES nodes (uuid) ON DELETE CASCADE
) STRICT;
CREATE INDEX boot_exchanges_by_at ON boot_exchanges (at);
