-- What a guild has set for itself. No row: the defaults of config.toml.
CREATE TABLE guild_config (
    guild_id BIGINT NOT NULL PRIMARY KEY CHECK (guild_id > 0),
    prefix TEXT CHECK (prefix IS NULL OR length(prefix) BETWEEN 1 AND 32),
    updated_at TIMESTAMP NOT NULL
);
