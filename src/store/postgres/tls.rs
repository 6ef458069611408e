//! The configuration of TLS: what is checked of the certificate of a server.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use crate::config::postgres::{TrustedRoots, Verification};

/// The configuration of TLS for these checks of the certificate.
///
/// # Errors
/// One line for the operator: the trusted certificates cannot be read.
pub fn client_config(verification: &Verification) -> Result<ClientConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let verifier = Verifier {
        check: Check::new(verification, &provider)?,
        provider: Arc::clone(&provider),
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|why| format!("TLS: {why}"))?;
    Ok(builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth())
}

/// Checks the certificates of servers.
#[derive(Debug)]
struct Verifier {
    check: Check,
    provider: Arc<CryptoProvider>,
}

#[derive(Debug)]
enum Check {
    Nothing,
    Chain {
        webpki: Arc<WebPkiServerVerifier>,
        trusted: Vec<CertificateDer<'static>>,
        with_name: bool,
    },
}

impl Check {
    fn new(verification: &Verification, provider: &Arc<CryptoProvider>) -> Result<Check, String> {
        let (roots, with_name) = match verification {
            Verification::Nothing => return Ok(Check::Nothing),
            Verification::Chain(roots) => (roots, false),
            Verification::ChainAndName(roots) => (roots, true),
        };
        let (store, trusted) = match roots {
            TrustedRoots::System => (system_roots()?, Vec::new()),
            TrustedRoots::File(path) => {
                roots_in(path).map_err(|why| format!("sslrootcert {}: {why}", path.display()))?
            }
        };
        let builder =
            WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(provider));
        let webpki = builder.build().map_err(|why| format!("TLS: {why}"))?;
        Ok(Check::Chain {
            webpki,
            trusted,
            with_name,
        })
    }
}

/// The authorities that the system trusts.
fn system_roots() -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    match store.is_empty() {
        true => Err(
            "sslrootcert=system: this system has no trusted certificates; let sslrootcert name a PEM file"
                .to_owned(),
        ),
        false => Ok(store),
    }
}

/// The authorities in a PEM file, and the certificates themselves.
fn roots_in(path: &Path) -> Result<(RootCertStore, Vec<CertificateDer<'static>>), String> {
    let text = std::fs::read(path).map_err(|why| why.to_string())?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let certificates = certificates.map_err(|_| "it is not a PEM file".to_owned())?;
    let mut store = RootCertStore::empty();
    for certificate in &certificates {
        store
            .add(certificate.clone())
            .map_err(|why| format!("a certificate cannot be used: {why}"))?;
    }
    match store.is_empty() {
        true => Err("it contains no certificate".to_owned()),
        false => Ok((store, certificates)),
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Check::Chain {
            webpki,
            trusted,
            with_name,
        } = &self.check
        else {
            return Ok(ServerCertVerified::assertion());
        };
        match webpki.verify_server_cert(certificate, intermediates, name, ocsp_response, now) {
            // webpki checks the name last, so that the chain is valid here.
            Err(why) if is_about_name(&why) && !with_name => Ok(ServerCertVerified::assertion()),
            // webpki refuses a certificate that is an authority and also that of a server. OpenSSL makes such ones by
            // default. If the file names that certificate itself, then no chain is needed.
            Err(why)
                if !is_about_name(&why)
                    && !is_about_time(&why)
                    && trusted.contains(certificate) =>
            {
                if *with_name {
                    verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
                }
                Ok(ServerCertVerified::assertion())
            }
            result => result,
        }
    }

    // The signature proves that the server has the key of the certificate. Without that proof, the channel binding of
    // SCRAM, which contains the hash of the certificate, would prove nothing.
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

fn is_about_name(why: &Error) -> bool {
    use CertificateError::{NotValidForName, NotValidForNameContext};
    matches!(
        why,
        Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. })
    )
}

fn is_about_time(why: &Error) -> bool {
    use CertificateError::{Expired, ExpiredContext, NotValidYet, NotValidYetContext};
    matches!(
        why,
        Error::InvalidCertificate(
            Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. }
        )
    )
}
