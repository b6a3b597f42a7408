-- What a node was up with last, and what it tries to boot: a revision that fails often is replaced by the one that ran last.
CREATE TABLE node_tries (
    node TEXT PRIMARY KEY NOT NULL REFERENCES nodes (uuid) ON DELETE CASCADE,
    -- It was up with this revision last. NULL: with none that is there.
    up_profile TEXT,
    up_revision INTEGER,
    -- What it was to boot when it got its last plan, and since when, microseconds since 1970: older failures do not count.
    tried_profile TEXT,
    tried_revision INTEGER,
    tried_since INTEGER,
    -- Since then it gets the revision that ran last in place of the one that it tried. NULL: it does not.
    fallback_since INTEGER,
    FOREIGN KEY (up_profile, up_revision) REFERENCES profile_revisions (profile, revision) ON DELETE SET NULL
) STRICT;
CREATE INDEX node_tries_by_up ON node_tries (up_profile, up_revision);
CREATE INDEX node_tries_by_fallback ON node_tries (fallback_since) WHERE fallback_since IS NOT NULL;

-- What runs now counts at once.
INSERT INTO node_tries (node, up_profile, up_revision)
SELECT n.uuid, r.profile, r.revision FROM nodes n
JOIN boots b ON b.id = n.boot
JOIN profile_revisions r ON r.profile = b.profile AND r.revision = b.revision
WHERE b.phase = 'running';
