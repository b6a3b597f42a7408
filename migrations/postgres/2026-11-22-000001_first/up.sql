-- The first schema. Times are microseconds since 1970 UTC; secrets are stored as SHA-256 only.
-- The same tables, columns and names as in migrations/sqlite.
-- COLLATE "C": text sorts and compares by bytes, as on SQLite, so that pages come in the same order on both.

-- Values that all servers of the installation share.
CREATE TABLE settings (
    key TEXT COLLATE "C" NOT NULL,
    value TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (key)
);

-- API tokens: only their hashes.
CREATE TABLE tokens (
    hash TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    created BIGINT NOT NULL,
    PRIMARY KEY (hash)
);

-- Browser sessions: only the hashes of their cookies.
CREATE TABLE sessions (
    hash TEXT COLLATE "C" NOT NULL,
    token_name TEXT COLLATE "C" NOT NULL,
    expires BIGINT NOT NULL,
    PRIMARY KEY (hash)
);
CREATE INDEX sessions_by_expires ON sessions (expires);

-- A profile and the number of its newest revision.
CREATE TABLE profiles (
    name TEXT COLLATE "C" NOT NULL,
    revision BIGINT NOT NULL,
    PRIMARY KEY (name)
);

-- Revisions never change. No key to images: an old revision may name an image that is gone.
CREATE TABLE profile_revisions (
    profile TEXT COLLATE "C" NOT NULL,
    revision BIGINT NOT NULL,
    image_name TEXT COLLATE "C" NOT NULL,
    image_version TEXT COLLATE "C" NOT NULL,
    spec TEXT COLLATE "C" NOT NULL,
    created BIGINT NOT NULL,
    PRIMARY KEY (profile, revision),
    FOREIGN KEY (profile) REFERENCES profiles (name) ON DELETE CASCADE
);
CREATE INDEX profile_revisions_by_image_name_image_version ON profile_revisions (image_name, image_version);

-- What is durable in the blob store.
CREATE TABLE blobs (
    sha256 TEXT COLLATE "C" NOT NULL,
    size BIGINT NOT NULL,
    created BIGINT NOT NULL,
    PRIMARY KEY (sha256)
);
CREATE INDEX blobs_by_created ON blobs (created);

-- Immutable; (name, version) is the name.
CREATE TABLE images (
    name TEXT COLLATE "C" NOT NULL,
    version TEXT COLLATE "C" NOT NULL,
    arch TEXT COLLATE "C" NOT NULL,
    cmdline TEXT COLLATE "C" NOT NULL,
    kernel_release TEXT COLLATE "C" NOT NULL,
    created BIGINT NOT NULL,
    PRIMARY KEY (name, version)
);

-- A blob cannot go while an image has it.
CREATE TABLE image_parts (
    name TEXT COLLATE "C" NOT NULL,
    version TEXT COLLATE "C" NOT NULL,
    role TEXT COLLATE "C" NOT NULL,
    sha256 TEXT COLLATE "C" NOT NULL,
    size BIGINT NOT NULL,
    PRIMARY KEY (name, version, role),
    FOREIGN KEY (name, version) REFERENCES images (name, version) ON DELETE CASCADE,
    FOREIGN KEY (sha256) REFERENCES blobs (sha256) ON DELETE RESTRICT
);
CREATE INDEX image_parts_by_sha256 ON image_parts (sha256);

-- History; the newest of an architecture is in use.
CREATE TABLE first_stages (
    seq BIGINT NOT NULL,
    arch TEXT COLLATE "C" NOT NULL,
    kernel TEXT COLLATE "C" NOT NULL,
    initramfs TEXT COLLATE "C" NOT NULL,
    kernel_package TEXT COLLATE "C" NOT NULL,
    agent_version TEXT COLLATE "C" NOT NULL,
    drivers TEXT COLLATE "C" NOT NULL,
    kernel_size BIGINT NOT NULL,
    initramfs_size BIGINT NOT NULL,
    created BIGINT NOT NULL,
    PRIMARY KEY (seq)
);
CREATE INDEX first_stages_by_arch_seq ON first_stages (arch, seq);

-- boot is the present or last one; no key, as boots refer to nodes.
CREATE TABLE nodes (
    uuid TEXT COLLATE "C" NOT NULL,
    admission TEXT COLLATE "C" NOT NULL,
    hostname TEXT COLLATE "C" NOT NULL,
    profile TEXT COLLATE "C",
    maintenance BOOLEAN NOT NULL,
    retired BOOLEAN NOT NULL,
    manufacturer TEXT COLLATE "C" NOT NULL,
    product TEXT COLLATE "C" NOT NULL,
    serial TEXT COLLATE "C" NOT NULL,
    boot_mac TEXT COLLATE "C",
    boot TEXT COLLATE "C",
    inventory_hash TEXT COLLATE "C",
    first_seen BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    PRIMARY KEY (uuid),
    FOREIGN KEY (profile) REFERENCES profiles (name) ON DELETE RESTRICT
);
CREATE INDEX nodes_by_serial ON nodes (serial);
CREATE INDEX nodes_by_profile ON nodes (profile);
CREATE INDEX nodes_by_boot_mac ON nodes (boot_mac);

-- All addresses that the node reported.
CREATE TABLE node_macs (
    node TEXT COLLATE "C" NOT NULL,
    mac TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (node, mac),
    FOREIGN KEY (node) REFERENCES nodes (uuid) ON DELETE CASCADE
);
CREATE INDEX node_macs_by_mac ON node_macs (mac);

-- The last inventory, whole.
CREATE TABLE inventories (
    node TEXT COLLATE "C" NOT NULL,
    hash TEXT COLLATE "C" NOT NULL,
    json TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (node),
    FOREIGN KEY (node) REFERENCES nodes (uuid) ON DELETE CASCADE
);

-- What each interface heard over LLDP.
CREATE TABLE neighbours (
    node TEXT COLLATE "C" NOT NULL,
    position BIGINT NOT NULL,
    interface TEXT COLLATE "C" NOT NULL,
    chassis_id TEXT COLLATE "C" NOT NULL,
    port_id TEXT COLLATE "C" NOT NULL,
    system_name TEXT COLLATE "C" NOT NULL,
    json TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (node, position),
    FOREIGN KEY (node) REFERENCES nodes (uuid) ON DELETE CASCADE
);
CREATE INDEX neighbours_by_chassis_id_port_id ON neighbours (chassis_id, port_id);

-- Names of profile and image are history, so no keys to them.
CREATE TABLE boots (
    id TEXT COLLATE "C" NOT NULL,
    node TEXT COLLATE "C" NOT NULL,
    phase TEXT COLLATE "C" NOT NULL,
    session_hash TEXT COLLATE "C" NOT NULL,
    callback_hash TEXT COLLATE "C",
    http_base TEXT COLLATE "C" NOT NULL,
    profile TEXT COLLATE "C",
    revision BIGINT,
    image TEXT COLLATE "C",
    plan_hash TEXT COLLATE "C",
    started BIGINT NOT NULL,
    deadline BIGINT,
    up BIGINT,
    heartbeat BIGINT,
    last_step TEXT COLLATE "C",
    failed_step TEXT COLLATE "C",
    failed_reason TEXT COLLATE "C",
    os TEXT COLLATE "C",
    PRIMARY KEY (id),
    UNIQUE (session_hash),
    UNIQUE (callback_hash),
    FOREIGN KEY (node) REFERENCES nodes (uuid) ON DELETE CASCADE
);
CREATE INDEX boots_by_node_started_id ON boots (node, started, id);
CREATE INDEX boots_by_phase_deadline ON boots (phase, deadline);

-- Idempotent on (boot, seq).
CREATE TABLE boot_events (
    boot TEXT COLLATE "C" NOT NULL,
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    step TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    message TEXT COLLATE "C" NOT NULL,
    received BIGINT NOT NULL,
    PRIMARY KEY (boot, seq),
    FOREIGN KEY (boot) REFERENCES boots (id) ON DELETE CASCADE
);

-- Single-use boot nonces, by hash; the node may not exist yet, so no key to it.
CREATE TABLE offers (
    nonce_hash TEXT COLLATE "C" NOT NULL,
    node TEXT COLLATE "C",
    mac TEXT COLLATE "C",
    http_base TEXT COLLATE "C" NOT NULL,
    created BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    bound_credential TEXT COLLATE "C",
    bound_boot TEXT COLLATE "C",
    PRIMARY KEY (nonce_hash)
);
CREATE INDEX offers_by_node_created ON offers (node, created);
CREATE INDEX offers_by_mac_created ON offers (mac, created);
CREATE INDEX offers_by_expires ON offers (expires);
