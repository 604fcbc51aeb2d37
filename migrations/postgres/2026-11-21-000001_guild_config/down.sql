DROP TABLE guild_config;
