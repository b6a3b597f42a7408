-- An action on many nodes. Open: ended is null. request: the client's own id of its request, so that the same one again makes nothing new.
CREATE TABLE jobs (
    id TEXT NOT NULL,
    action TEXT NOT NULL,
    selector TEXT NOT NULL,
    who TEXT NOT NULL,
    made INTEGER NOT NULL,
    stagger INTEGER NOT NULL,
    parallel INTEGER NOT NULL,
    total INTEGER NOT NULL,
    state TEXT NOT NULL,
    request TEXT,
    request_hash TEXT NOT NULL,
    next_start INTEGER NOT NULL,
    started INTEGER,
    cancelled_by TEXT,
    ended INTEGER,
    PRIMARY KEY (id),
    UNIQUE (request)
) STRICT;
CREATE INDEX jobs_by_state_id ON jobs (state, id);
CREATE INDEX jobs_by_ended ON jobs (ended);

-- One node of a job. The node is history, so no key to it.
CREATE TABLE job_items (
    job TEXT NOT NULL,
    n INTEGER NOT NULL,
    node TEXT NOT NULL,
    state TEXT NOT NULL,
    claimed_by TEXT,
    lease_until INTEGER,
    attempts INTEGER NOT NULL,
    message TEXT NOT NULL,
    started INTEGER,
    ended INTEGER,
    PRIMARY KEY (job, n),
    FOREIGN KEY (job) REFERENCES jobs (id) ON DELETE CASCADE
) STRICT;
CREATE INDEX job_items_by_job_state_n ON job_items (job, state, n);
CREATE INDEX job_items_by_node_state_job ON job_items (node, state, job);
CREATE INDEX job_items_by_claimed_by_state ON job_items (claimed_by, state);
-- Nothing is done to a node twice at the same time.
CREATE UNIQUE INDEX job_items_running ON job_items (node) WHERE state = 'running';
