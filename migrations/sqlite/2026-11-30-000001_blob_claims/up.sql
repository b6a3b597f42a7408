-- Blobs of an object store that several servers share: who is about to record one (arriving) or to remove one (leaving), and until
-- when that counts.
CREATE TABLE blob_claims (
    sha256 TEXT NOT NULL,
    kind TEXT NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (sha256)
) STRICT;
