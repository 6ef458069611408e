//! The parameters in the text of a statement: `?1`, `?2` and so on.

/// Adds `by` to the number of each parameter.
pub fn shift(sql: &str, by: usize) -> String {
    let mut parts = sql.split('?');
    let mut shifted = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(part.len());
        let number = part[..end].parse::<usize>().unwrap_or_default();
        shifted += &format!("?{}{}", number + by, &part[end..]);
    }
    shifted
}

/// PostgreSQL writes them as `$1`.
#[cfg(feature = "postgres")]
pub fn to_postgres(sql: &str) -> String {
    sql.replace('?', "$")
}
