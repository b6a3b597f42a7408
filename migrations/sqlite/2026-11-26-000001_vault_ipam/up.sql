-- Credentials of BMCs. `sealed` is an AEAD over the passwords, bound to purpose, node, id and master key.
CREATE TABLE bmc_credentials (
    id TEXT NOT NULL,
    node TEXT NOT NULL,
    username TEXT NOT NULL,
    sealed TEXT NOT NULL,
    master_key TEXT NOT NULL,
    state TEXT NOT NULL,
    via TEXT NOT NULL,
    made INTEGER NOT NULL,
    proven INTEGER,
    changed INTEGER NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (node) REFERENCES nodes (uuid) ON DELETE CASCADE
) STRICT;
CREATE INDEX bmc_credentials_by_node ON bmc_credentials (node, id);
CREATE INDEX bmc_credentials_by_master_key ON bmc_credentials (master_key, id);
-- At most one of each: a node is never between two plans, and what is in force is one.
CREATE UNIQUE INDEX bmc_credentials_proven ON bmc_credentials (node) WHERE state = 'proven';
CREATE UNIQUE INDEX bmc_credentials_planned ON bmc_credentials (node) WHERE state = 'planned';

-- Pools of addresses. `spec` is JSON; `hint` is the key of an address below which none is free that was never used.
CREATE TABLE pools (
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    cluster TEXT NOT NULL,
    spec TEXT NOT NULL,
    hint TEXT NOT NULL,
    changed INTEGER NOT NULL,
    PRIMARY KEY (name)
) STRICT;

-- Every address that was ever given. `key` sorts as addresses do. A released one keeps its row: it is given again last.
CREATE TABLE addresses (
    pool TEXT NOT NULL,
    key TEXT NOT NULL,
    address TEXT NOT NULL,
    node TEXT NOT NULL,
    kind TEXT NOT NULL,
    since INTEGER NOT NULL,
    released INTEGER,
    PRIMARY KEY (pool, key),
    FOREIGN KEY (pool) REFERENCES pools (name) ON DELETE CASCADE,
    FOREIGN KEY (node) REFERENCES nodes (uuid) ON DELETE CASCADE
) STRICT;
CREATE INDEX addresses_by_node ON addresses (node);
CREATE INDEX addresses_by_address ON addresses (address);
CREATE INDEX addresses_by_pool_released ON addresses (pool, released, key);
-- A node has one address of a kind.
CREATE UNIQUE INDEX addresses_live ON addresses (node, kind) WHERE released IS NULL;

-- Who was seen with which address: a BMC that told it (node), or a stranger that answered ARP for it (no node).
CREATE TABLE address_sightings (
    address TEXT NOT NULL,
    mac TEXT NOT NULL,
    node TEXT,
    at INTEGER NOT NULL,
    conflict INTEGER NOT NULL,
    PRIMARY KEY (address, mac),
    FOREIGN KEY (node) REFERENCES nodes (uuid) ON DELETE CASCADE
) STRICT;
CREATE INDEX address_sightings_by_node ON address_sightings (node);
CREATE INDEX address_sightings_by_conflict ON address_sightings (conflict, address, mac);
