//! What the tables of one-time links have in common: the conditions under which a link is valid.

use super::users::IS_APPROVED_ADMIN;

/// The condition that a link has not expired (`:now`, which is the last parameter) and that the admin who made it, if it was not
/// the operator, is still an approved admin and the same account. The tables delete a link that is used or withdrawn.
pub fn is_valid() -> String {
    format!(
        r#"expires_at > :now AND (made_by IS NULL OR EXISTS (
            SELECT 1 FROM "user" AS maker WHERE maker.id = made_by AND {IS_APPROVED_ADMIN}
            AND maker.created_at IS NOT DISTINCT FROM maker_created_at))"#
    )
}
