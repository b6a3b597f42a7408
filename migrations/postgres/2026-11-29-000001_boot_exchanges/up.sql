-- What a node asked of boot services (DHCP, TFTP, HTTP boot, scripts) and got. `number` counts within one start of one server, so
-- (at, number, server) names an exchange. Bounded for each node and by age.
CREATE TABLE boot_exchanges (
    node TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    number BIGINT NOT NULL,
    server TEXT COLLATE "C" NOT NULL,
    service TEXT COLLATE "C" NOT NULL,
    what TEXT COLLATE "C" NOT NULL,
    result TEXT COLLATE "C" NOT NULL,
    detail TEXT COLLATE "C" NOT NULL,
    mac TEXT COLLATE "C" NOT NULL,
    uuid TEXT COLLATE "C" NOT NULL,
    client TEXT COLLATE "C" NOT NULL,
    address TEXT COLLATE "C" NOT NULL,
    interface TEXT COLLATE "C" NOT NULL,
    relay TEXT COLLATE "C" NOT NULL,
    bytes BIGINT NOT NULL,
    took_us BIGINT NOT NULL,
    PRIMARY KEY (node, at, number, server),
    FOREIGN KEY (node) REFERENCES nodes (uuid) ON DELETE CASCADE
);
CREATE INDEX boot_exchanges_by_at ON boot_exchanges (at);
