//! The plain listener when TLS is on: everything is redirected, but the page that offers the
//! certificate of the self-made authority, which must be reachable before it is trusted.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;

use crate::http::add_headers;

#[derive(Clone)]
struct Plain {
    /// Port of the secure listener.
    port: u16,
    /// PEM of the authority, when it is our own.
    certificate: Option<Arc<str>>,
}

/// The plain listener's addresses. `port` is that of the secure listener.
pub fn router(port: u16, certificate: Option<Arc<str>>) -> Router {
    let mut router = Router::new();
    if certificate.is_some() {
        router = router.route("/ca", get(page)).route("/ca.css", get(style)).route("/ca.crt", get(download));
    }
    router.fallback(redirect).layer(middleware::from_fn(add_headers)).with_state(Plain { port, certificate })
}

async fn redirect(State(plain): State<Plain>, request: Request) -> Response {
    let path = request.uri().path_and_query().map_or("/", |p| p.as_str());
    let target = secure_host(request.headers(), plain.port).map(|host| format!("https://{host}{path}"));
    match target.and_then(|t| HeaderValue::from_str(&t).ok()) {
        Some(target) => (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, target)]).into_response(),
        None => StatusCode::BAD_REQUEST.into_response(),
    }
}

async fn download(State(plain): State<Plain>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/x-x509-ca-cert"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"zhuandi-ca.crt\""),
    ];
    (headers, plain.certificate.map(|c| c.to_string()).unwrap_or_default()).into_response()
}

async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE).into_response()
}

async fn page(State(plain): State<Plain>, headers: HeaderMap) -> Response {
    let host = secure_host(&headers, plain.port).unwrap_or_else(|| "localhost".into());
    let policy = "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'";
    ([(header::CONTENT_SECURITY_POLICY, policy)], Html(PAGE.replace("{host}", &host))).into_response()
}

/// The host that the reader asked for, with the secure port. Only characters of host names, since
/// it goes into a page and a header.
fn secure_host(headers: &HeaderMap, port: u16) -> Option<String> {
    let host = headers.get(header::HOST)?.to_str().ok()?;
    let name = match host.rsplit_once(':') {
        Some((name, digits)) if digits.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let good = |b: u8| b.is_ascii_alphanumeric() || b".-:[]".contains(&b);
    if name.is_empty() || name.len() > 255 || !name.bytes().all(good) {
        return None;
    }
    Some(if port == 443 { name.to_owned() } else { format!("{name}:{port}") })
}

const STYLE: &str = "\
body { max-width: 44rem; margin: 2rem auto; padding: 0 1rem; font: 18px/1.6 system-ui, 'Noto Sans CJK SC', sans-serif; color: #1c2430; background: #fff }
a.button { display: inline-block; padding: .8rem 1.6rem; border-radius: .5rem; background: #1d5fbf; color: #fff; text-decoration: none }
a.button:focus-visible { outline: 4px solid #f0a020 }
section + section { margin-top: 3rem; padding-top: 1rem; border-top: 1px solid #ccd3dc }
";

const PAGE: &str = r#"<!doctype html>
<html lang="zh-CN">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>安装证书 · Install the certificate</title>
<link rel="stylesheet" href="/ca.css">
</head>
<body>
<section>
<h1>第一次使用：安装证书</h1>
<p>浏览器只在安全页面上开放摄像头和麦克风。请在这台电脑或大屏上安装一次证书，以后直接打开课堂即可。</p>
<p><a class="button" href="/ca.crt" download>下载证书</a></p>
<ol>
<li>Windows：双击下载的文件 → “安装证书” → “本地计算机” → “将所有的证书都放入下列存储” → “受信任的根证书颁发机构” → 完成。</li>
<li>安卓大屏：设置 → 安全 → 加密与凭据 → 安装证书 → CA 证书，选择下载的文件。</li>
<li>统信、麒麟：浏览器设置 → 隐私和安全 → 管理证书 → 授权机构 → 导入，勾选“信任该证书以标识网站”。</li>
<li>Firefox：设置 → 隐私与安全 → 查看证书 → 证书颁发机构 → 导入。</li>
</ol>
<p>请向管理员确认这个页面确实是本校或本县的服务器，再安装。装有还原软件的电脑，请先解冻。</p>
<p>安装后重新打开浏览器，进入 <a href="https://{host}/">https://{host}/</a></p>
</section>
<section lang="en">
<h1>First use: install the certificate</h1>
<p>Browsers open camera and microphone on secure pages only. Install the certificate once on this computer or board; from then on just open the lesson.</p>
<p><a class="button" href="/ca.crt" download>Download the certificate</a></p>
<ol>
<li>Windows: double-click the file → Install Certificate → Local Machine → Place all certificates in the following store → Trusted Root Certification Authorities → Finish.</li>
<li>Android board: Settings → Security → Encryption and credentials → Install a certificate → CA certificate, and choose the file.</li>
<li>Linux, Chromium: Settings → Privacy and security → Manage certificates → Authorities → Import, and trust it for websites.</li>
<li>Firefox: Settings → Privacy and Security → View Certificates → Authorities → Import.</li>
</ol>
<p>Make sure with your administrator that this really is your school's or county's server. On a computer with freeze-and-restore software, unfreeze it first.</p>
<p>Then open the browser again and go to <a href="https://{host}/">https://{host}/</a></p>
</section>
</body>
</html>
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secure_host_keeps_the_name_and_changes_the_port() {
        for (host, port, expected) in [
            ("box:8080", 8443, Some("box:8443")),
            ("box", 8443, Some("box:8443")),
            ("box:80", 443, Some("box")),
            ("[2001:db8::1]:8080", 8443, Some("[2001:db8::1]:8443")),
            ("10.0.0.1", 8443, Some("10.0.0.1:8443")),
            ("a\"><script>", 8443, None),
            ("", 8443, None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static(host));
            assert_eq!(secure_host(&headers, port).as_deref(), expected, "{host}");
        }
    }
}
