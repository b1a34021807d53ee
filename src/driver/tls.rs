//! TLS as databases and web servers are spoken to with.
//!
//! The provider is named each time: with several in the process rustls would have none by itself.

use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _},
};
use std::{path::Path, sync::Arc};

/// Certificate and name are verified, by the machine's own authorities.
pub(super) fn by_machine() -> Result<ClientConfig, rustls::Error> {
    let mut roots = RootCertStore::empty();
    // One that cannot be read is one less; without any, every certificate is refused.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    verified(roots)
}

/// Certificate and name are verified, by the authorities in a PEM file.
pub(super) fn by_file(file: &Path) -> Result<ClientConfig, String> {
    let wrong = |why: String| format!("the certificates in {} cannot be used: {why}", file.display());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|e| wrong(e.to_string()))? {
        roots.add(certificate.map_err(|e| wrong(e.to_string()))?).map_err(|e| wrong(e.to_string()))?;
    }
    if roots.is_empty() {
        return Err(wrong("there is none".into()));
    }
    verified(roots).map_err(|e| wrong(e.to_string()))
}

/// Encrypted, whoever answers: libpq's `sslmode=require`.
pub(super) fn encrypted() -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(ring::default_provider());
    let anyone = Arc::new(Anyone(provider.clone()));
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.dangerous().with_custom_certificate_verifier(anyone).with_no_client_auth())
}

fn verified(roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// Takes every certificate; whoever shows it must still hold its key.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
