-- What a boot of the node would get now: the hash of its plan, '' when it would get none; NULL: to be worked out. The epoch
-- counts what changed meanwhile, so that one who worked it out from what was before does not write it.
ALTER TABLE nodes ADD COLUMN planned TEXT COLLATE "C";
ALTER TABLE nodes ADD COLUMN plan_epoch BIGINT NOT NULL DEFAULT 0;
-- By which revision of its profile; another one than the newest: it is to be worked out, too. So a save of a profile writes
-- none of its nodes.
ALTER TABLE nodes ADD COLUMN planned_by BIGINT;
CREATE INDEX nodes_to_plan ON nodes (uuid) WHERE planned IS NULL;

-- What boots got, by hash, so that a difference can be told. JSON.
CREATE TABLE plans (
    hash TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    content TEXT COLLATE "C" NOT NULL,
    made BIGINT NOT NULL
);
CREATE INDEX plans_by_made ON plans (made);
CREATE INDEX boots_by_plan_hash ON boots (plan_hash);
-- Profiles that have changed, until their nodes are worked out.
CREATE TABLE stale_profiles (
    profile TEXT COLLATE "C" PRIMARY KEY NOT NULL REFERENCES profiles (name) ON DELETE CASCADE
);

-- Their hashes were made otherwise, and what they got was not kept: what a reboot would do to these nodes is not known.
UPDATE boots SET plan_hash = NULL;
