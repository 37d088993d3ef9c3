//! Secure pages with an authority of our own.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::harness::{Answer, Server, request};

#[tokio::test]
async fn the_plain_listener_offers_the_authority_and_redirects_the_rest() {
    let server = Server::with("", &["http.tls=self_signed"]).await;
    let plain = server.app.http_addr;
    let port = server.app.tls_addr.unwrap().port();
    let page = request(plain, "GET", "/ca", &[], "").await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("安装证书") && page.body.contains("Install the certificate"));
    assert!(page.body.contains(&format!("https://127.0.0.1:{port}/")));
    assert!(!page.header("content-security-policy").unwrap().contains("unsafe"));
    let away = request(plain, "GET", "/teach?lesson=a", &[], "").await;
    assert_eq!(away.status, 308);
    assert_eq!(away.header("location"), Some(format!("https://127.0.0.1:{port}/teach?lesson=a").as_str()));
    assert_eq!(request(plain, "GET", "/ws", &[], "").await.status, 308, "no signalling in the clear");
}

#[tokio::test]
async fn a_board_that_trusts_the_authority_gets_the_pages() {
    let server = Server::with("", &["http.tls=self_signed", "http.tls_names=box.example"]).await;
    let pem = request(server.app.http_addr, "GET", "/ca.crt", &[], "").await.body;
    for name in ["127.0.0.1", "localhost", "box.example"] {
        let answer = secure_get(&server, &pem, name).await.expect(name);
        assert_eq!(answer.status, 200, "{name}");
    }
    assert!(secure_get(&server, &pem, "other.example").await.is_err());
    let foreign = Server::with("", &["http.tls=self_signed"]).await;
    let other = request(foreign.app.http_addr, "GET", "/ca.crt", &[], "").await.body;
    assert!(secure_get(&server, &other, "127.0.0.1").await.is_err(), "another box's authority");
}

async fn secure_get(server: &Server, ca: &str, name: &str) -> std::io::Result<Answer> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(server.app.tls_addr.unwrap()).await?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    stream.write_all(b"GET /teach HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(Answer::parse(&answer))
}
