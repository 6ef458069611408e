//! How long the audit log is kept.

use clap::Args;

use super::duration::Retention;

/// The settings of the audit log.
#[derive(Debug, Clone, Default, Args)]
#[allow(missing_docs)] // clap would show the comment on a flattened group in `--help`
pub struct AuditArgs {
    /// How long entries of the audit log are kept, such as 365d; for ever by default
    #[arg(long, env, hide_env_values = true)]
    pub audit_keep: Option<Retention>,
}
