-- The installation of a node's disk, by a profile of the mode installer: how often it was tried since it was asked for, and
-- when the installer called back. One of each node: what is on its disk is the last.
CREATE TABLE installs (
    node TEXT PRIMARY KEY NOT NULL REFERENCES nodes (uuid) ON DELETE CASCADE,
    profile TEXT NOT NULL,
    revision INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    -- Of the last attempt: its boot, and the hash of the token in its addresses.
    boot TEXT NOT NULL,
    token_hash TEXT NOT NULL UNIQUE,
    started INTEGER NOT NULL,
    -- NULL: it has not called back.
    installed INTEGER
) STRICT;

-- When a node was left to its disk, or to a script of the operator's: nothing is heard of it from then on.
CREATE TABLE own_boots (
    node TEXT PRIMARY KEY NOT NULL REFERENCES nodes (uuid) ON DELETE CASCADE,
    way TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;
