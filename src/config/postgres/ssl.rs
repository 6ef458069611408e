//! `sslmode` and `sslrootcert`: whether a connection is encrypted, and how the server proves who it is. The names and
//! their meaning are those of libpq.

use std::path::PathBuf;

use strum::EnumString;

use super::parameters::Parameters;

/// Whether a connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumString)]
#[strum(serialize_all = "kebab-case")]
pub enum SslMode {
    /// Never.
    Disable,
    /// If the server refuses a connection without.
    Allow,
    /// If the server offers it.
    Prefer,
    /// Always.
    Require,
    /// Always; the certificate must come from a trusted authority.
    VerifyCa,
    /// Always; the certificate must also be for the name of the host.
    VerifyFull,
}

/// `sslrootcert`: the authorities that are trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrustedRoots {
    /// Those of the operating system.
    System,
    /// The certificates in this PEM file.
    File(PathBuf),
}

/// What is checked of the server's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verification {
    /// Nothing.
    Nothing,
    /// That one of these authorities has signed it.
    Chain(TrustedRoots),
    /// That one of these authorities has signed it, for the name of the host.
    ChainAndName(TrustedRoots),
}

/// The parameters of TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SslSettings {
    /// Whether the connection is encrypted.
    pub mode: SslMode,
    /// What is checked of the server's certificate.
    pub verification: Verification,
}

impl SslSettings {
    /// Removes `sslmode` and `sslrootcert` from the parameters.
    ///
    /// As in libpq, a file of trusted authorities makes `require` verify the certificate, and the authorities of the
    /// system are too many to be trusted without the name. Unlike in libpq, no file in the home directory is read.
    pub(super) fn take_from(parameters: &mut Parameters) -> Result<SslSettings, String> {
        let mode = parameters.take("sslmode");
        let roots = match parameters.take("sslrootcert") {
            Some(text) if text == "system" => Some(TrustedRoots::System),
            path => path.map(|path| TrustedRoots::File(path.into())),
        };
        let default = match roots {
            Some(TrustedRoots::System) => SslMode::VerifyFull,
            _ => SslMode::Prefer,
        };
        let mode = mode.map_or(Ok(default), |text| text.parse());
        let mode = mode.map_err(|_| "`sslmode` is not valid".to_owned())?;
        let verification = verification(mode, roots)?;
        Ok(SslSettings { mode, verification })
    }
}

fn verification(mode: SslMode, roots: Option<TrustedRoots>) -> Result<Verification, String> {
    match (mode, roots) {
        (SslMode::VerifyFull, Some(roots)) => Ok(Verification::ChainAndName(roots)),
        (_, Some(TrustedRoots::System)) => {
            Err("`sslrootcert=system` requires `sslmode=verify-full`".to_owned())
        }
        (SslMode::VerifyCa | SslMode::VerifyFull, None) => Err(
            "`sslmode=verify-ca` and `verify-full` require `sslrootcert`: the path of a PEM file with the \
             certificate of the authority, or with `verify-full` also system"
                .to_owned(),
        ),
        (_, Some(roots)) => Ok(Verification::Chain(roots)),
        (_, None) => Ok(Verification::Nothing),
    }
}
