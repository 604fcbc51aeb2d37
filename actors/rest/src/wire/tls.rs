//! TLS of connections to Discord: rustls with ring, the only stack there is.

use rustls::{CertificateError, ClientConfig, ConfigBuilder, WantsVerifier, crypto::ring};
use std::{error::Error, io, sync::Arc};

/// A client; whom it trusts is still to be said.
pub(super) fn client() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, String> {
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be set up: {error}"))
}

/// What is wrong with a certificate, where that is the cause. An [`io::Error`] does not name what it wraps as its source.
pub(super) fn refused_certificate<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a CertificateError> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(rustls::Error::InvalidCertificate(reason)) = error.downcast_ref() {
            return Some(reason);
        }
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = wrapped.map(|inner| inner as &'a (dyn Error + 'static)).or_else(|| error.source());
    }
    None
}
