-- One row per IDENTIFY, written before it is sent: Discord counts them over 24 hours and across processes.
CREATE TABLE identify (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    shard BIGINT NOT NULL CHECK (shard >= 0),
    at TIMESTAMP NOT NULL
);
CREATE INDEX identify_at ON identify (at);
