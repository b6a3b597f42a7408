-- A revision of a profile to many nodes, in waves. `head`: JSON of what it is told and how far it is; `state` is in it, too.
-- `sealed`: what signs the calls of its hooks.
CREATE TABLE rollouts (
    id TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    profile TEXT COLLATE "C" NOT NULL,
    revision BIGINT NOT NULL,
    selector TEXT COLLATE "C" NOT NULL,
    who TEXT COLLATE "C" NOT NULL,
    made BIGINT NOT NULL,
    ended BIGINT,
    total BIGINT NOT NULL,
    head TEXT COLLATE "C" NOT NULL,
    request TEXT COLLATE "C" UNIQUE,
    request_hash TEXT COLLATE "C" NOT NULL,
    sealed TEXT COLLATE "C",
    master_key TEXT COLLATE "C"
);
CREATE INDEX rollouts_by_state ON rollouts (state, id);
-- Also what is open: its end is null.
CREATE INDEX rollouts_by_end ON rollouts (ended);
-- What each node had and how far it is: JSON; `phase`, the wave in which it was begun, and the
-- profile with its pin before are in it, too.
CREATE TABLE rollout_members (
    rollout TEXT COLLATE "C" NOT NULL REFERENCES rollouts (id) ON DELETE CASCADE,
    n BIGINT NOT NULL,
    node TEXT COLLATE "C" NOT NULL,
    phase TEXT COLLATE "C" NOT NULL,
    wave BIGINT,
    before_profile TEXT COLLATE "C",
    before_revision BIGINT,
    content TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (rollout, n),
    UNIQUE (rollout, node)
);
CREATE INDEX rollout_members_by_node ON rollout_members (node);
CREATE INDEX rollout_members_by_phase ON rollout_members (rollout, phase, n);
-- What a rollout asked of the world outside, until it is known what became of it. `kind`: drain, undrain or check.
CREATE TABLE rollout_actions (
    rollout TEXT COLLATE "C" NOT NULL REFERENCES rollouts (id) ON DELETE CASCADE,
    id TEXT COLLATE "C" NOT NULL,
    n BIGINT NOT NULL,
    node TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    message TEXT COLLATE "C" NOT NULL,
    attempts BIGINT NOT NULL,
    due BIGINT NOT NULL,
    deadline BIGINT NOT NULL,
    PRIMARY KEY (rollout, id)
);
CREATE INDEX rollout_actions_by_due ON rollout_actions (state, due);
CREATE INDEX rollout_actions_by_member ON rollout_actions (rollout, n);
-- A running system is to restart itself: told in the answer to its next heartbeat, once a boot.
CREATE TABLE reboot_requests (
    boot TEXT COLLATE "C" PRIMARY KEY NOT NULL REFERENCES boots (id) ON DELETE CASCADE,
    reason TEXT COLLATE "C" NOT NULL,
    made BIGINT NOT NULL
);
