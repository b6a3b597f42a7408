-- What a boot of the node would get now: the hash of its plan, '' when it would get none; NULL: to be worked out. The epoch
-- counts what changed meanwhile, so that one who worked it out from what was before does not write it.
ALTER TABLE nodes ADD COLUMN planned TEXT COLLATE "C";
ALTER TABLE nodes ADD COLUMN plan_epoch BIGINT NOT NULL DEFAULT 0;
CREATE INDEX nodes_to_plan ON nodes (uuid) WHERE planned IS NULL;

-- What boots got, by hash, so that a difference can be told. JSON.
CREATE TABLE plans (
    hash TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    content TEXT COLLATE "C" NOT NULL,
    made BIGINT NOT NULL
);
CREATE INDEX boots_by_plan_hash ON boots (plan_hash);
-- Their hashes were made otherwise, and what they got was not kept: what a reboot would do to these nodes is not known.
UPDATE boots SET plan_hash = NULL;
