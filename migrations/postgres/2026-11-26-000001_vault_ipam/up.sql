-- Credentials of BMCs. `sealed` is an AEAD over the passwords, bound to purpose, node, id and master key.
CREATE TABLE bmc_credentials (
    id TEXT COLLATE "C" NOT NULL,
    node TEXT COLLATE "C" NOT NULL,
    username TEXT COLLATE "C" NOT NULL,
    sealed TEXT COLLATE "C" NOT NULL,
    master_key TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    via TEXT COLLATE "C" NOT NULL,
    made BIGINT NOT NULL,
    proven BIGINT,
    changed BIGINT NOT NULL,
    reason TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (node) REFERENCES nodes (uuid) ON DELETE CASCADE
);
CREATE INDEX bmc_credentials_by_node ON bmc_credentials (node, id);
CREATE INDEX bmc_credentials_by_master_key ON bmc_credentials (master_key, id);
-- At most one of each: a node is never between two plans, and what is in force is one.
CREATE UNIQUE INDEX bmc_credentials_proven ON bmc_credentials (node) WHERE state = 'proven';
CREATE UNIQUE INDEX bmc_credentials_planned ON bmc_credentials (node) WHERE state = 'planned';

-- Pools of addresses. `spec` is JSON; `hint` is the key of an address below which none is free that was never used.
CREATE TABLE pools (
    name TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    cluster TEXT COLLATE "C" NOT NULL,
    spec TEXT COLLATE "C" NOT NULL,
    hint TEXT COLLATE "C" NOT NULL,
    changed BIGINT NOT NULL,
    PRIMARY KEY (name)
);

-- Every address that was ever given. `key` sorts as addresses do. A released one keeps its row: it is given again last.
CREATE TABLE addresses (
    pool TEXT COLLATE "C" NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    address TEXT COLLATE "C" NOT NULL,
    node TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    since BIGINT NOT NULL,
    released BIGINT,
    PRIMARY KEY (pool, key),
    FOREIGN KEY (pool) REFERENCES pools (name) ON DELETE CASCADE,
    FOREIGN KEY (node) REFERENCES nodes (uuid) ON DELETE CASCADE
);
CREATE INDEX addresses_by_node ON addresses (node);
CREATE INDEX addresses_by_address ON addresses (address);
CREATE INDEX addresses_by_pool_released ON addresses (pool, released, key);
-- A node has one address of a kind.
CREATE UNIQUE INDEX addresses_live ON addresses (node, kind) WHERE released IS NULL;

-- Who was seen with which address: a BMC that told it (node), or a stranger that answered ARP for it (no node).
CREATE TABLE address_sightings (
    address TEXT COLLATE "C" NOT NULL,
    mac TEXT COLLATE "C" NOT NULL,
    node TEXT COLLATE "C",
    at BIGINT NOT NULL,
    conflict BOOLEAN NOT NULL,
    PRIMARY KEY (address, mac),
    FOREIGN KEY (node) REFERENCES nodes (uuid) ON DELETE CASCADE
);
CREATE INDEX address_sightings_by_node ON address_sightings (node);
CREATE INDEX address_sightings_by_conflict ON address_sightings (conflict, address, mac);
