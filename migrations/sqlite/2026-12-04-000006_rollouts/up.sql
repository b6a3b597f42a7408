-- A revision of a profile to many nodes, in waves. `head`: JSON of what it is told and how far it is; `state` is in it, too.
-- `sealed`: what signs the calls of its hooks.
CREATE TABLE rollouts (
    id TEXT PRIMARY KEY NOT NULL,
    state TEXT NOT NULL,
    profile TEXT NOT NULL,
    revision INTEGER NOT NULL,
    selector TEXT NOT NULL,
    who TEXT NOT NULL,
    made INTEGER NOT NULL,
    ended INTEGER,
    total INTEGER NOT NULL,
    head TEXT NOT NULL,
    request TEXT UNIQUE,
    request_hash TEXT NOT NULL,
    sealed TEXT,
    master_key TEXT
) STRICT;
CREATE INDEX rollouts_by_state ON rollouts (state, id);
-- Also what is open: its end is null.
CREATE INDEX rollouts_by_end ON rollouts (ended);
-- What each node had and how far it is: JSON; `phase`, the wave in which it was begun, and the
-- profile with its pin before are in it, too.
CREATE TABLE rollout_members (
    rollout TEXT NOT NULL REFERENCES rollouts (id) ON DELETE CASCADE,
    n INTEGER NOT NULL,
    node TEXT NOT NULL,
    phase TEXT NOT NULL,
    wave INTEGER,
    before_profile TEXT,
    before_revision INTEGER,
    content TEXT NOT NULL,
    PRIMARY KEY (rollout, n),
    UNIQUE (rollout, node)
) STRICT;
CREATE INDEX rollout_members_by_node ON rollout_members (node);
CREATE INDEX rollout_members_by_phase ON rollout_members (rollout, phase, n);
-- What a rollout asked of the world outside, until it is known what became of it. `kind`: drain, undrain or check.
CREATE TABLE rollout_actions (
    rollout TEXT NOT NULL REFERENCES rollouts (id) ON DELETE CASCADE,
    id TEXT NOT NULL,
    n INTEGER NOT NULL,
    node TEXT NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    message TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    due INTEGER NOT NULL,
    deadline INTEGER NOT NULL,
    PRIMARY KEY (rollout, id)
) STRICT;
CREATE INDEX rollout_actions_by_due ON rollout_actions (state, due);
CREATE INDEX rollout_actions_by_member ON rollout_actions (rollout, n);
-- A running system is to restart itself: told in the answer to its next heartbeat, once a boot.
CREATE TABLE reboot_requests (
    boot TEXT PRIMARY KEY NOT NULL REFERENCES boots (id) ON DELETE CASCADE,
    reason TEXT NOT NULL,
    made INTEGER NOT NULL
) STRICT;
