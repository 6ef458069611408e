//! The schema: its script, its version, and the tables of the tutorial.

/// The script that creates SQLite's tables and indexes.
pub const SCHEMA: &str = include_str!("../../schema.sql");

/// The version of `schema.sql` and `schema.postgres.sql`. The Flask app's files have version 0.
pub const VERSION: i64 = 6;

/// The tutorial's tables and columns, on which all statements rely. They identify a database.
pub const TUTORIAL_TABLES: [(&str, &[&str]); 2] = [
    (
        "user",
        &[
            "id",
            "username",
            "email",
            "password_hash",
            "role",
            "is_approved",
            "created_at",
        ],
    ),
    (
        "task",
        &[
            "id",
            "title",
            "description",
            "status",
            "deadline",
            "created_at",
            "assigned_user_id",
        ],
    ),
];

/// Whether this is a table of the tutorial.
#[cfg(feature = "postgres")]
pub fn is_tutorial(table: &str) -> bool {
    TUTORIAL_TABLES.iter().any(|(name, _)| *name == table)
}
