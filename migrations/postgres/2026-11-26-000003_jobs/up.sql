-- An action on many nodes. Open: ended is null. request: the client's own id of its request, so that the same one again makes nothing new.
CREATE TABLE jobs (
    id TEXT NOT NULL,
    action TEXT NOT NULL,
    selector TEXT NOT NULL,
    who TEXT NOT NULL,
    made BIGINT NOT NULL,
    stagger BIGINT NOT NULL,
    parallel BIGINT NOT NULL,
    total BIGINT NOT NULL,
    state TEXT NOT NULL,
    request TEXT,
    request_hash TEXT NOT NULL,
    next_start BIGINT NOT NULL,
    started BIGINT,
    cancelled_by TEXT,
    ended BIGINT,
    PRIMARY KEY (id),
    UNIQUE (request)
);
CREATE INDEX jobs_by_state_id ON jobs (state, id);
CREATE INDEX jobs_by_ended ON jobs (ended);

-- One node of a job. The node is history, so no key to it.
CREATE TABLE job_items (
    job TEXT NOT NULL,
    n BIGINT NOT NULL,
    node TEXT NOT NULL,
    state TEXT NOT NULL,
    claimed_by TEXT,
    lease_until BIGINT,
    attempts BIGINT NOT NULL,
    message TEXT NOT NULL,
    started BIGINT,
    ended BIGINT,
    PRIMARY KEY (job, n),
    FOREIGN KEY (job) REFERENCES jobs (id) ON DELETE CASCADE
);
CREATE INDEX job_items_by_job_state_n ON job_items (job, state, n);
CREATE INDEX job_items_by_node_state_job ON job_items (node, state, job);
CREATE INDEX job_items_by_claimed_by_state ON job_items (claimed_by, state);
-- Nothing is done to a node twice at the same time.
CREATE UNIQUE INDEX job_items_running ON job_items (node) WHERE state = 'running';
