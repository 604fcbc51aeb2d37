//! The tables, with types that both engines have: `BigInt`, `Text`, `Timestamp` (UTC, microseconds), `Json`.

diesel::table! {
    guild_config (guild_id) {
        guild_id -> BigInt,
        prefix -> Nullable<Text>,
        updated_at -> Timestamp,
    }
}

diesel::table! {
    identify (id) {
        id -> BigInt,
        shard -> BigInt,
        at -> Timestamp,
    }
}

diesel::table! {
    identify_clock (id) {
        id -> BigInt,
        boot -> Text,
        up_ms -> BigInt,
        at -> Timestamp,
    }
}

diesel::table! {
    audit (id) {
        id -> BigInt,
        at -> Timestamp,
        actor -> Text,
        action -> Text,
        target -> Text,
        detail -> Json,
        outcome -> Text,
    }
}

diesel::table! {
    /// Kept by the migration runner.
    #[sql_name = "__diesel_schema_migrations"]
    applied_migration (version) {
        version -> Text,
        run_on -> Timestamp,
    }
}
