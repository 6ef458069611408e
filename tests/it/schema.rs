//! `schema.postgres.sql` has the tables and indexes of `schema.sql`, in the types of PostgreSQL.

use std::fs;

/// The statements of a script, each with single spaces and without comments.
fn statements(name: &str) -> Vec<String> {
    let script = fs::read_to_string(name).unwrap();
    let code = script
        .lines()
        .map(|line| line.split("--").next().unwrap())
        .collect::<Vec<_>>()
        .join(" ");
    let statements = code.split(';').map(|statement| {
        let words: Vec<_> = statement.split_whitespace().collect();
        words.join(" ")
    });
    statements.filter(|text| !text.is_empty()).collect()
}

/// A statement of SQLite in the types of PostgreSQL.
fn in_postgres(statement: &str) -> String {
    let text = match statement.strip_prefix("CREATE TABLE IF NOT EXISTS ") {
        None => return statement.to_owned(),
        // As SQLAlchemy creates them.
        Some(table) if table.starts_with("\"user\"") => statement
            .replace("id INTEGER NOT NULL", "id SERIAL NOT NULL")
            .replace("password_hash VARCHAR(128)", "password_hash VARCHAR(255)"),
        Some(table) if table.starts_with("task ") => statement
            .replace("( id INTEGER NOT NULL", "( id SERIAL NOT NULL")
            .replace("title VARCHAR(255)", "title VARCHAR(255) COLLATE \"C\""),
        // Its ids come from a sequence too.
        Some(table) if table.starts_with("task_history ") => statement
            .replace("( id INTEGER", "( id BIGSERIAL")
            .replace("INTEGER", "BIGINT"),
        Some(_) => statement.replace("INTEGER", "BIGINT"),
    };
    text.replace("DATETIME", "TIMESTAMP")
        .replace("BLOB", "BYTEA")
}

#[test]
fn the_schema_of_postgresql_is_that_of_sqlite_in_other_types() {
    let sqlite: Vec<_> = statements("schema.sql")
        .iter()
        .map(|statement| in_postgres(statement))
        .collect();
    assert!(sqlite.len() > 40, "{}", sqlite.len());
    let postgres = statements("schema.postgres.sql");
    for (expected, found) in sqlite.iter().zip(&postgres) {
        assert_eq!(expected, found);
    }
    assert_eq!(sqlite.len(), postgres.len());
}
