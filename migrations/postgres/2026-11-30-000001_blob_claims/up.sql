-- Blobs of an object store that several servers share: who is about to record one (arriving) or to remove one (leaving), and until
-- when that counts.
CREATE TABLE blob_claims (
    sha256 TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    until BIGINT NOT NULL,
    PRIMARY KEY (sha256)
);
