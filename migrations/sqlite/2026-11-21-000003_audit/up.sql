-- Who changed what, over the control channel or on Discord. Rows are only ever added.
CREATE TABLE audit (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    at TIMESTAMP NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    detail JSON NOT NULL CHECK (json_valid(detail)),
    outcome TEXT NOT NULL
);
CREATE INDEX audit_at ON audit (at);
