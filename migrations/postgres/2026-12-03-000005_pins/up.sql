-- The revision that nodes without a pin boot. The newest may be newer: a draft.
ALTER TABLE profiles ADD COLUMN active BIGINT NOT NULL DEFAULT 1;
-- When it became that, microseconds since 1970.
ALTER TABLE profiles ADD COLUMN activated BIGINT NOT NULL DEFAULT 0;
UPDATE profiles SET active = revision,
    activated = (SELECT r.created FROM profile_revisions r WHERE r.profile = profiles.name AND r.revision = profiles.revision);
-- The pin: the revision of its profile that this node boots, whichever is active.
ALTER TABLE nodes ADD COLUMN profile_revision BIGINT;
CREATE INDEX nodes_by_pin ON nodes (profile, profile_revision) WHERE profile_revision IS NOT NULL;
