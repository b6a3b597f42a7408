-- Secrets that people name: the value of the present revision, sealed (hexadecimal digits), and with which master key. The
-- fingerprint is made under a key that is sealed with the value.
CREATE TABLE secrets (
    name TEXT PRIMARY KEY NOT NULL,
    id TEXT NOT NULL UNIQUE,
    revision INTEGER NOT NULL,
    fingerprint TEXT NOT NULL,
    -- The value is a password hash as in crypt(5).
    is_hash INTEGER NOT NULL,
    size INTEGER NOT NULL,
    sealed TEXT NOT NULL,
    master_key TEXT NOT NULL,
    created INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    changed_by TEXT NOT NULL
) STRICT;
CREATE INDEX secrets_by_master_key ON secrets (master_key, name);
-- Which revisions of profiles name which secrets, and whether as a password. A secret may be gone.
CREATE TABLE profile_secrets (
    profile TEXT NOT NULL,
    revision INTEGER NOT NULL,
    secret TEXT NOT NULL,
    password INTEGER NOT NULL,
    PRIMARY KEY (profile, revision, secret),
    FOREIGN KEY (profile, revision) REFERENCES profile_revisions (profile, revision) ON DELETE CASCADE
) STRICT;
CREATE INDEX profile_secrets_by_secret ON profile_secrets (secret, profile, revision);
-- Secrets that have changed, until the nodes that get them are known to be worked out anew; counted, so that a change meanwhile
-- is not lost.
CREATE TABLE stale_secrets (
    secret TEXT PRIMARY KEY NOT NULL,
    epoch INTEGER NOT NULL
) STRICT;
