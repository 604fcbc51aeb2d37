-- One row: the wall clock when the last IDENTIFY was asked for, and the machine's own time since it was started, which nobody
-- sets. A wall clock that has jumped since then shows.
CREATE TABLE identify_clock (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    boot TEXT NOT NULL,
    up_ms BIGINT NOT NULL,
    at TIMESTAMP NOT NULL
);
