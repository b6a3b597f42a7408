-- The first schema. Times are microseconds since 1970 UTC; secrets are stored as SHA-256 only.
-- The same tables, columns and names as in migrations/postgres.

-- Values that all servers of the installation share.
CREATE TABLE settings (
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (key)
) STRICT;

-- API tokens: only their hashes.
CREATE TABLE tokens (
    hash TEXT NOT NULL,
    name TEXT NOT NULL,
    created INTEGER NOT NULL,
    PRIMARY KEY (hash)
) STRICT;

-- Browser sessions: only the hashes of their cookies.
CREATE TABLE sessions (
    hash TEXT NOT NULL,
    token_name TEXT NOT NULL,
    expires INTEGER NOT NULL,
    PRIMARY KEY (hash)
) STRICT;
CREATE INDEX sessions_by_expires ON sessions (expires);

-- A profile and the number of its newest revision.
CREATE TABLE profiles (
    name TEXT NOT NULL,
    revision INTEGER NOT NULL,
    PRIMARY KEY (name)
) STRICT;

-- Revisions never change. No key to images: an old revision may name an image that is gone.
CREATE TABLE profile_revisions (
    profile TEXT NOT NULL,
    revision INTEGER NOT NULL,
    image_name TEXT NOT NULL,
    image_version TEXT NOT NULL,
    spec TEXT NOT NULL,
    created INTEGER NOT NULL,
    PRIMARY KEY (profile, revision),
    FOREIGN KEY (profile) REFERENCES profiles (name) ON DELETE CASCADE
) STRICT;
CREATE INDEX profile_revisions_by_image_name_image_version ON profile_revisions (image_name, image_version);

-- What is durable in the blob store.
CREATE TABLE blobs (
    sha256 TEXT NOT NULL,
    size INTEGER NOT NULL,
    created INTEGER NOT NULL,
    PRIMARY KEY (sha256)
) STRICT;
CREATE INDEX blobs_by_created ON blobs (created);

-- Immutable; (name, version) is the name.
CREATE TABLE images (
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    arch TEXT NOT NULL,
    cmdline TEXT NOT NULL,
    kernel_release TEXT NOT NULL,
    created INTEGER NOT NULL,
    PRIMARY KEY (name, version)
) STRICT;

-- A blob cannot go while an image has it.
CREATE TABLE image_parts (
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    role TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    size INTEGER NOT NULL,
    PRIMARY KEY (name, version, role),
    FOREIGN KEY (name, version) REFERENCES images (name, version) ON DELETE CASCADE,
    FOREIGN KEY (sha256) REFERENCES blobs (sha256) ON DELETE RESTRICT
) STRICT;
CREATE INDEX image_parts_by_sha256 ON image_parts (sha256);

-- History; the newest of an architecture is in use.
CREATE TABLE first_stages (
    seq INTEGER NOT NULL,
    arch TEXT NOT NULL,
    kernel TEXT NOT NULL,
    initramfs TEXT NOT NULL,
    kernel_package TEXT NOT NULL,
    agent_version TEXT NOT NULL,
    drivers TEXT NOT NULL,
    kernel_size INTEGER NOT NULL,
    initramfs_size INTEGER NOT NULL,
    created INTEGER NOT NULL,
    PRIMARY KEY (seq)
) STRICT;
CREATE INDEX first_stages_by_arch_seq ON first_stages (arch, seq);

-- boot is the present or last one; no key, as boots refer to nodes.
CREATE TABLE nodes (
    uuid TEXT NOT NULL,
    admission TEXT NOT NULL,
    hostname TEXT NOT NULL,
    profile TEXT,
    maintenance INTEGER NOT NULL,
    retired INTEGER NOT NULL,
    manufacturer TEXT NOT NULL,
    product TEXT NOT NULL,
    serial TEXT NOT NULL,
    boot_mac TEXT,
    boot TEXT,
    inventory_hash TEXT,
    first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    PRIMARY KEY (uuid),
    FOREIGN KEY (profile) REFERENCES profiles (name) ON DELETE RESTRICT
) STRICT;
CREATE INDEX nodes_by_serial ON nodes (serial);
CREATE INDEX nodes_by_profile ON nodes (profile);
CREATE INDEX nodes_by_boot_mac ON nodes (boot_mac);

-- All addresses that the node reported.
CREATE TABLE node_macs (
    node TEXT NOT NULL,
    mac TEXT NOT NULL,
    PRIMARY KEY (node, mac),
    FOREIGN KEY (node) REFERENCES nodes (uuid) ON DELETE CASCADE
) STRICT;
CREATE INDEX node_macs_by_mac ON node_macs (mac);

-- The last inventory, whole.
CREATE TABLE inventories (
    node TEXT NOT NULL,
    hash TEXT NOT NULL,
    json TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (node),
    FOREIGN KEY (node) REFERENCES nodes (uuid) ON DELETE CASCADE
) STRICT;

-- What each interface heard over LLDP.
CREATE TABLE neighbours (
    node TEXT NOT NULL,
    position INTEGER NOT NULL,
    interface TEXT NOT NULL,
    chassis_id TEXT NOT NULL,
    port_id TEXT NOT NULL,
    system_name TEXT NOT NULL,
    json TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (node, position),
    FOREIGN KEY (node) REFERENCES nodes (uuid) ON DELETE CASCADE
) STRICT;
CREATE INDEX neighbours_by_chassis_id_port_id ON neighbours (chassis_id, port_id);

-- Names of profile and image are history, so no keys to them.
CREATE TABLE boots (
    id TEXT NOT NULL,
    node TEXT NOT NULL,
    phase TEXT NOT NULL,
    session_hash TEXT NOT NULL,
    callback_hash TEXT,
    http_base TEXT NOT NULL,
    profile TEXT,
    revision INTEGER,
    image TEXT,
    plan_hash TEXT,
    started INTEGER NOT NULL,
    deadline INTEGER,
    up INTEGER,
    heartbeat INTEGER,
    last_step TEXT,
    failed_step TEXT,
    failed_reason TEXT,
    os TEXT,
    PRIMARY KEY (id),
    UNIQUE (session_hash),
    UNIQUE (callback_hash),
    FOREIGN KEY (node) REFERENCES nodes (uuid) ON DELETE CASCADE
) STRICT;
CREATE INDEX boots_by_node_started_id ON boots (node, started, id);
CREATE INDEX boots_by_phase_deadline ON boots (phase, deadline);

-- Idempotent on (boot, seq).
CREATE TABLE boot_events (
    boot TEXT NOT NULL,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    step TEXT NOT NULL,
    state TEXT NOT NULL,
    message TEXT NOT NULL,
    received INTEGER NOT NULL,
    PRIMARY KEY (boot, seq),
    FOREIGN KEY (boot) REFERENCES boots (id) ON DELETE CASCADE
) STRICT;

-- Single-use boot nonces, by hash; the node may not exist yet, so no key to it.
CREATE TABLE offers (
    nonce_hash TEXT NOT NULL,
    node TEXT,
    mac TEXT,
    http_base TEXT NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    bound_credential TEXT,
    bound_boot TEXT,
    PRIMARY KEY (nonce_hash)
) STRICT;
CREATE INDEX offers_by_node_created ON offers (node, created);
CREATE INDEX offers_by_mac_created ON offers (mac, created);
CREATE INDEX offers_by_expires ON offers (expires);
