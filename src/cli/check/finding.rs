//! What a check has found.

/// The result of a check, or what is unsafe or broken and what to do about it.
pub type Outcome = Result<Finding, String>;

/// A result that is no failure.
pub enum Finding {
    /// What is right.
    Right(String),
    /// Why the check cannot look. A cause that is a failure makes another check fail.
    NotChecked(String),
}

/// The outcome of a check that finds no fault.
pub fn right(text: impl Into<String>) -> Outcome {
    Ok(Finding::Right(text.into()))
}

/// The outcome of a check that cannot look.
pub fn not_checked(why: impl Into<String>) -> Outcome {
    Ok(Finding::NotChecked(why.into()))
}
