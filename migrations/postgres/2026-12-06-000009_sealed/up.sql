-- Secrets that people name: the value of the present revision, sealed (hexadecimal digits), and with which master key. The
-- fingerprint is made under a key that is sealed with the value.
CREATE TABLE secrets (
    name TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    id TEXT COLLATE "C" NOT NULL UNIQUE,
    revision BIGINT NOT NULL,
    fingerprint TEXT COLLATE "C" NOT NULL,
    -- The value is a password hash as in crypt(5).
    is_hash BOOLEAN NOT NULL,
    size BIGINT NOT NULL,
    sealed TEXT COLLATE "C" NOT NULL,
    master_key TEXT COLLATE "C" NOT NULL,
    created BIGINT NOT NULL,
    changed BIGINT NOT NULL,
    changed_by TEXT COLLATE "C" NOT NULL
);
CREATE INDEX secrets_by_master_key ON secrets (master_key, name);
-- Which revisions of profiles name which secrets, and whether as a password. A secret may be gone.
CREATE TABLE profile_secrets (
    profile TEXT COLLATE "C" NOT NULL,
    revision BIGINT NOT NULL,
    secret TEXT COLLATE "C" NOT NULL,
    password BOOLEAN NOT NULL,
    PRIMARY KEY (profile, revision, secret),
    FOREIGN KEY (profile, revision) REFERENCES profile_revisions (profile, revision) ON DELETE CASCADE
);
CREATE INDEX profile_secrets_by_secret ON profile_secrets (secret, profile, revision);
-- Secrets that have changed, until the nodes that get them are known to be worked out anew; counted, so that a change meanwhile
-- is not lost.
CREATE TABLE stale_secrets (
    secret TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    epoch BIGINT NOT NULL
);
