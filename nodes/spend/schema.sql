CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL,
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
)

CREATE TABLE calls (
    number INTEGER NOT NULL,
    id VARCHAR(32) NOT NULL,
    "key" VARCHAR(64) NOT NULL,
    state VARCHAR(16) NOT NULL,
    charged VARCHAR(24) NOT NULL,
    server TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    model TEXT NOT NULL,
    asked JSON NOT NULL,
    facts JSON NOT NULL,
    sent_at FLOAT NOT NULL,
    used_at FLOAT NOT NULL,
    delivered_at FLOAT,
    seconds FLOAT,
    reserved BIGINT,
    cost BIGINT,
    currency VARCHAR(16),
    executed_model TEXT,
    provider TEXT,
    request_id TEXT,
    run_id TEXT,
    node_title TEXT,
    workflow TEXT,
    error TEXT, graph JSON, worker TEXT DEFAULT '' NOT NULL,
    PRIMARY KEY (number),
    UNIQUE (id)
)

CREATE INDEX calls_by_key ON calls ("key", number)

CREATE INDEX calls_by_time ON calls (sent_at)

CREATE INDEX calls_by_run ON calls (run_id)

CREATE INDEX calls_by_request ON calls (request_id)

CREATE TABLE pictures (
    call_id VARCHAR(32) NOT NULL,
    number INTEGER NOT NULL,
    sha256 VARCHAR(64) NOT NULL,
    extension VARCHAR(16) NOT NULL,
    size BIGINT NOT NULL,
    PRIMARY KEY (call_id, number),
    FOREIGN KEY(call_id) REFERENCES calls (id) ON DELETE CASCADE
)

CREATE INDEX pictures_by_content ON pictures (sha256)

CREATE TABLE sums (
    feature VARCHAR(16) NOT NULL,
    span INTEGER NOT NULL,
    start BIGINT NOT NULL,
    name VARCHAR(200) NOT NULL,
    currency VARCHAR(16) NOT NULL,
    count BIGINT NOT NULL,
    pictures BIGINT NOT NULL,
    cost BIGINT NOT NULL,
    milliseconds BIGINT NOT NULL,
    counted BIGINT NOT NULL,
    unpriced BIGINT NOT NULL,
    reserved BIGINT NOT NULL,
    PRIMARY KEY (feature, span, start, name, currency)
)

CREATE TABLE limits (
    period VARCHAR(8) NOT NULL,
    amount BIGINT NOT NULL,
    PRIMARY KEY (period)
)

CREATE INDEX calls_by_state ON calls (state, used_at)

CREATE INDEX calls_by_delivery ON calls (delivered_at)

CREATE TRIGGER calls_of_an_older_version BEFORE INSERT ON calls WHEN NEW.worker = '' BEGIN SELECT RAISE(ABORT, 'the pack was updated meanwhile: restart this program'); END

CREATE TABLE further_keys (
    call_id VARCHAR(32) NOT NULL,
    "key" VARCHAR(64) NOT NULL,
    PRIMARY KEY (call_id, "key"),
    FOREIGN KEY(call_id) REFERENCES calls (id) ON DELETE CASCADE
)

CREATE INDEX further_keys_by_key ON further_keys ("key")

CREATE TABLE outdated (
    call_id VARCHAR(32) NOT NULL,
    stored BIGINT NOT NULL,
    state VARCHAR(16) NOT NULL,
    charged VARCHAR(24) NOT NULL,
    facts JSON NOT NULL,
    sent_at FLOAT NOT NULL,
    seconds FLOAT,
    reserved BIGINT,
    cost BIGINT,
    currency VARCHAR(16),
    model TEXT NOT NULL,
    provider TEXT,
    run_id TEXT,
    workflow TEXT,
    worker TEXT NOT NULL,
    PRIMARY KEY (call_id),
    FOREIGN KEY(call_id) REFERENCES calls (id) ON DELETE CASCADE
)

CREATE TRIGGER calls_outdated AFTER UPDATE OF state ON calls BEGIN INSERT INTO outdated (call_id, stored, state, charged, facts, sent_at, seconds, reserved, cost, currency, model, provider, run_id, workflow, worker) SELECT OLD.id, (SELECT count(*) FROM pictures WHERE call_id = OLD.id), OLD.state, OLD.charged, OLD.facts, OLD.sent_at, OLD.seconds, OLD.reserved, OLD.cost, OLD.currency, OLD.model, OLD.provider, OLD.run_id, OLD.workflow, OLD.worker WHERE NOT EXISTS (SELECT 1 FROM outdated WHERE call_id = OLD.id); END
