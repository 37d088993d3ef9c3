//! TLS: given certificate files, or a certificate authority of our own.
//!
//! The self-made authority is kept in the data directory (its key readable by the server's user
//! alone) and is what boards trust, once. The server's own certificate is made from it at each
//! start, is never written anywhere, and is made anew before it ends, while the server runs.

use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use anyhow::Context;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType,
};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;

use crate::auth::secret::{random_hex, write_private};

const DAY: Duration = Duration::from_hours(24);
const CA_LIFE: Duration = Duration::from_hours(24 * 3650);
/// Browsers refuse certificates of much more than a year.
const LIFE: Duration = Duration::from_hours(24 * 180);
/// A certificate is made anew when this much of its life is left.
const RENEW: Duration = Duration::from_hours(24 * 30);
/// How often that is looked at.
const LOOK: Duration = Duration::from_hours(6);

/// An acceptor with the certificate and key in two PEM files.
pub fn from_files(cert: &Path, key: &Path) -> anyhow::Result<TlsAcceptor> {
    let chain = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("cannot read certificates from {}", cert.display()))?;
    let key = PrivateKeyDer::from_pem_file(key)
        .with_context(|| format!("cannot read a private key from {}", key.display()))?;
    let config = builder()?
        .with_single_cert(chain, key)
        .context("the certificate and the key do not belong together")?;
    Ok(acceptor(config))
}

/// The authority of this box.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

impl Authority {
    /// Loads the authority from `data`, or makes it on the first start.
    pub fn load_or_create(data: &Path, now: SystemTime) -> anyhow::Result<Self> {
        let (cert_file, key_file) = (data.join("ca.crt"), data.join("ca.key"));
        if !key_file.exists() {
            let (certificate, key) = make_authority(now)?;
            // The key first: a certificate without its key would be offered to boards for nothing.
            write_private(&key_file, key.serialize_pem().as_bytes())
                .with_context(|| format!("cannot write {}", key_file.display()))?;
            std::fs::write(&cert_file, certificate)
                .with_context(|| format!("cannot write {}", cert_file.display()))?;
        }
        let read = |path: &Path| {
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
        };
        let certificate = read(&cert_file)?;
        let key = KeyPair::from_pem(&read(&key_file)?).context("ca.key is no private key")?;
        let issuer = Issuer::from_ca_cert_pem(&certificate, key).context("ca.crt is no authority")?;
        Ok(Self { issuer, certificate })
    }

    /// What boards install, as PEM.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate
    }

    /// A server certificate for these names and addresses, valid from `now`.
    fn issue(&self, names: &[String], now: SystemTime) -> anyhow::Result<CertifiedKey> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.not_before = (now - DAY).into();
        params.not_after = (now + LIFE).into();
        params.distinguished_name = named("zhuandi");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        for name in names {
            params.subject_alt_names.push(match name.parse::<IpAddr>() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName(
                    name.as_str().try_into().with_context(|| format!("{name:?} is not a name"))?,
                ),
            });
        }
        let certificate = params.signed_by(&key, &self.issuer)?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let signer = ring::sign::any_supported_type(&key)?;
        Ok(CertifiedKey::new(vec![certificate.der().clone()], signer))
    }
}

/// An acceptor with a certificate of our own, renewed while the server runs. `clock` gives the
/// wall-clock time.
pub fn self_signed(
    authority: Authority,
    names: Vec<String>,
    clock: fn() -> SystemTime,
) -> anyhow::Result<TlsAcceptor> {
    let first = authority.issue(&names, clock())?;
    let current = Arc::new(Current(RwLock::new(Arc::new(first))));
    tokio::spawn(renew(authority, names, Arc::clone(&current), clock));
    Ok(acceptor(builder()?.with_cert_resolver(current)))
}

async fn renew(authority: Authority, names: Vec<String>, current: Arc<Current>, clock: fn() -> SystemTime) {
    let mut made = clock();
    loop {
        tokio::time::sleep(LOOK).await;
        let age = clock().duration_since(made).unwrap_or_default();
        if age < LIFE - RENEW {
            continue;
        }
        match authority.issue(&names, clock()) {
            Ok(certificate) => {
                *current.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(certificate);
                made = clock();
                tracing::info!("the server certificate was renewed");
            }
            Err(error) => tracing::error!(%error, "the server certificate cannot be renewed"),
        }
    }
}

/// The certificate that new connections get.
#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

fn make_authority(now: SystemTime) -> anyhow::Result<(String, KeyPair)> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params.not_before = (now - DAY).into();
    params.not_after = (now + CA_LIFE).into();
    // Two boxes in one county must not look the same in a list of authorities.
    params.distinguished_name = named(&format!("zhuandi CA {}", random_hex(3)));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok((params.self_signed(&key)?.pem(), key))
}

fn named(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

fn builder() -> anyhow::Result<
    tokio_rustls::rustls::ConfigBuilder<ServerConfig, tokio_rustls::rustls::server::WantsServerCert>,
> {
    // Named here, because more than one provider may be compiled in.
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Ok(builder.context("the TLS library has no protocol version")?.with_no_client_auth())
}

fn acceptor(mut config: ServerConfig) -> TlsAcceptor {
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_authority_stays_the_same_and_its_key_private() {
        let dir = tempfile::tempdir().unwrap();
        let first = Authority::load_or_create(dir.path(), SystemTime::now()).unwrap();
        let again = Authority::load_or_create(dir.path(), SystemTime::now()).unwrap();
        assert_eq!(first.certificate_pem(), again.certificate_pem());
        let mode = std::fs::metadata(dir.path().join("ca.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let names = ["box.example".to_owned(), "10.0.0.1".to_owned(), "::1".to_owned()];
        assert!(again.issue(&names, SystemTime::now()).is_ok());
        assert!(again.issue(&["课堂".to_owned()], SystemTime::now()).is_err());
    }
}
